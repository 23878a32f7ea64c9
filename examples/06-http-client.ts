import { Backoff, CircuitBreaker } from "@effect-resilience/core"
import { ResilientNodeClient } from "@effect-resilience/http/node"
import { HttpClientRequest, HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { createServer } from "node:http"

let arrived = 0

// A service in trouble: every other request is too much for it, and what is asked of /reports always is.
const trouble = Effect.map(HttpServerRequest.HttpServerRequest, ({ url }) => {
  arrived += 1
  return url === "/reports" || arrived % 2 === 1
    ? HttpServerResponse.text("busy", { status: 503, headers: { "Retry-After": "0.02" } })
    : HttpServerResponse.text("done")
})
const server = HttpServer.serve(HttpRouter.empty.pipe(HttpRouter.all("*", trouble))).pipe(
  Layer.provideMerge(NodeHttpServer.layer(() => createServer(), { host: "127.0.0.1", port: 0 }))
)

const stock = HttpClientRequest.get("/stock/p7")
const charge = HttpClientRequest.post("/charges")
const report = HttpClientRequest.get("/reports")

const program = Effect.gen(function* () {
  const client = yield* ResilientNodeClient.make("shop", {
    timeout: "5 seconds",
    retry: { maxRetries: 1, backoff: Backoff.constant("10 millis") },
    circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(3), openDuration: "30 seconds" }
  })
  const url = yield* HttpServer.addressFormattedWith(Effect.succeed)
  const ask = (request: HttpClientRequest.HttpClientRequest) =>
    Effect.gen(function* () {
      const before = arrived
      const ended = yield* client.execute(HttpClientRequest.prependUrl(request, url)).pipe(
        Effect.map(({ status }) => String(status)),
        Effect.catchTag("CircuitOpen", ({ _tag }) => Effect.succeed(_tag))
      )
      yield* Console.log(`${request.method} ${request.url}: ${ended}, requests: ${arrived - before}`)
    })

  yield* ask(stock)
  yield* ask(HttpClientRequest.setHeader(charge, "Idempotency-Key", "order-17"))
  // Nobody knows whether it has been done, and nothing says that it may be done twice.
  yield* ask(charge)
  yield* ask(report)
  yield* ask(report)
  yield* ask(report)
})

Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(server)))

// GET /stock/p7: 200, requests: 2
// POST /charges: 200, requests: 2
// POST /charges: 503, requests: 1
// GET /reports: 503, requests: 2
// GET /reports: 503, requests: 2
// GET /reports: CircuitOpen, requests: 0
