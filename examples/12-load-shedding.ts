import { VirtualTime } from "@effect-resilience/chaos"
import { Bulkhead } from "@effect-resilience/core"
import { SheddingMiddleware } from "@effect-resilience/http"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Console, Effect } from "effect"

const asked = ["POST /orders", "GET /products", "GET /recommendations", "GET /recommendations"]

const serve = (perSecond: number) =>
  Effect.gen(function* () {
    // What the server can do, and does not know: 20 requests at a time of 50 ms each, 400 a second.
    const workers = yield* Bulkhead.make("workers", { maxConcurrent: 20, maxQueue: 10_000 })
    const work = Effect.orDie(workers.protect(Effect.delay(HttpServerResponse.text("done"), "50 millis")))

    const shedding = yield* SheddingMiddleware.make("shop", {
      routes: [
        ["POST /orders", "CRITICAL_PLUS"],
        ["/recommendations", "SHEDDABLE"] // what is not named is CRITICAL
      ]
    })
    const app = HttpRouter.empty.pipe(
      HttpRouter.post("/orders", work),
      HttpRouter.get("/products", work),
      HttpRouter.get("/recommendations", work),
      shedding
    )

    const served = new Map(asked.map((request) => [request, { of: 0, done: 0 }]))
    const ask = (request: string) =>
      Effect.gen(function* () {
        const [method = "", path = ""] = request.split(" ")
        const web = new Request(`http://shop.example${path}`, { method })
        const arrived = HttpServerRequest.fromWeb(web)
        const { status } = yield* Effect.provideService(app, HttpServerRequest.HttpServerRequest, arrived)
        const { done, of } = served.get(request) ?? { of: 0, done: 0 }
        served.set(request, { of: of + 1, done: status === 200 ? done + 1 : done })
      })
    const arrive = (n: number) => Effect.delay(ask(asked[n % asked.length] ?? ""), (1000 * n) / perSecond)
    yield* Effect.forEach(Array(5 * perSecond).keys(), arrive, { concurrency: "unbounded", discard: true })

    yield* Console.log(`${perSecond} requests a second, of which 400 can be done`)
    for (const [request, { done, of }] of served) {
      yield* Console.log(`  ${request}: ${((100 * done) / of).toFixed(0)} % served`)
    }
  }).pipe(Effect.scoped)

await Effect.runPromise(VirtualTime.run(Effect.zipRight(serve(200), serve(600))))

// 200 requests a second, of which 400 can be done
//   POST /orders: 100 % served
//   GET /products: 100 % served
//   GET /recommendations: 100 % served
// 600 requests a second, of which 400 can be done
//   POST /orders: 100 % served
//   GET /products: 94 % served
//   GET /recommendations: 26 % served
