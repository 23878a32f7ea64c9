import { Criticality, LoadShedder } from "@effect-resilience/core"
import { HttpErrors, RateLimitMiddleware, ServerMiddleware, SheddingMiddleware } from "@effect-resilience/http"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Option, Random, TestClock } from "effect"
import { type Asked, handled } from "../support/Handled.js"
import { heard } from "../support/Play.js"
import { shed } from "../support/Refusals.js"

const routes: ReadonlyArray<[string, Criticality.Criticality]> = [
  ["POST /orders", "CRITICAL_PLUS"],
  ["GET /recommendations", "SHEDDABLE"]
]
const order: Asked = { method: "POST", path: "/orders" }
const page: Asked = { path: "/page" }
const recommendations: Asked = { path: "/recommendations" }

/** A router whose routes take a second, and how each that has begun was classed. */
const slow = () => {
  const begun: Array<string> = []
  const route = Effect.flatMap(Criticality.current, (of) => {
    begun.push(of)
    return Effect.delay(HttpServerResponse.text("done"), "1 second")
  })
  const router = HttpRouter.empty.pipe(
    HttpRouter.post("/orders", route),
    HttpRouter.get("/page", route),
    HttpRouter.get("/recommendations", route),
    HttpRouter.get("/health/live", HttpServerResponse.text("live")),
    HttpRouter.get(
      "/metrics",
      Effect.map(Criticality.current, (of) => HttpServerResponse.text(of))
    )
  )
  return { begun, router }
}

const one = { routes, capacity: 1, maxWaiting: 1, interval: "10 seconds", target: "10 seconds" } as const

describe("a server that has too much to do", () => {
  it.scoped(
    "answers 503 to what matters least first, with a Retry-After of 1 to 5 seconds, and runs nothing of it",
    () =>
      Effect.gen(function* () {
        const { begun, router } = slow()
        const app = router.pipe(yield* SheddingMiddleware.make("shop", one))
        const asking = (asked: Asked) => Effect.tap(Effect.fork(handled(app, asked)), () => TestClock.adjust(0))
        const running = yield* asking(page)
        const displaced = yield* asking(recommendations)
        const waiting = yield* asking(order)
        const refused = [yield* Fiber.join(displaced), yield* handled(app, page), yield* handled(app, recommendations)]
        for (const { headers, status } of refused) {
          expect([status, headers["content-type"]]).toEqual([503, "application/problem+json"])
          expect(["1", "2", "3", "4", "5"]).toContain(headers["retry-after"])
        }
        expect(begun).toEqual(["CRITICAL"])
        yield* TestClock.adjust("2 seconds")
        expect([(yield* Fiber.join(running)).status, (yield* Fiber.join(waiting)).status]).toEqual([200, 200])
        expect(begun).toEqual(["CRITICAL", "CRITICAL_PLUS"])
      })
  )

  it.scoped("spreads Retry-After over whole seconds from the first refusal on, later and later, 5 at the most", () =>
    Effect.gen(function* () {
      const { router } = slow()
      const app = router.pipe(yield* SheddingMiddleware.make("shop", { capacity: 1, maxWaiting: 0 }))
      const after = (overloadedFor: number) =>
        Effect.gen(function* () {
          yield* TestClock.adjust(0)
          const busy = yield* Effect.forkDaemon(handled(app, page))
          yield* TestClock.adjust(overloadedFor)
          const asked = yield* Effect.replicateEffect(handled(app, page), 100)
          yield* TestClock.adjust("1 second")
          yield* Fiber.await(busy)
          return [...new Set(asked.map(({ headers }) => headers["retry-after"]))].toSorted()
        })
      expect(yield* after(0)).toEqual(["1", "2"])
      expect(yield* after(500)).toEqual(["1", "2", "3"])
      for (let second = 2; second < 8; second++) yield* after(0)
      expect(yield* after(0)).toEqual(["3", "4", "5"])
    }).pipe(Effect.withRandom(Random.make("spread")))
  )

  it.scoped("lets probes and scrapes through, which take no place", () =>
    Effect.gen(function* () {
      const { router } = slow()
      const app = router.pipe(yield* SheddingMiddleware.make("shop", { ...one, maxWaiting: 0 }))
      const busy = yield* Effect.fork(handled(app, page))
      yield* TestClock.adjust(0)
      expect((yield* handled(app, page)).status).toBe(503)
      for (const path of ["/health/live", "/metrics"]) expect((yield* handled(app, { path })).status, path).toBe(200)
      yield* TestClock.adjust("1 second")
      expect((yield* Fiber.join(busy)).status).toBe(200)
      const open = router.pipe(yield* SheddingMiddleware.make("open", { ...one, maxWaiting: 0, exempt: ["/page"] }))
      const more = yield* Effect.fork(Effect.all([page, page, page].map((asked) => handled(open, asked))))
      yield* TestClock.adjust("3 seconds")
      expect((yield* Fiber.join(more)).map(({ status }) => status)).toEqual([200, 200, 200])
    })
  )

  it.scoped("believes what trusted callers say of their requests, and nobody else", () =>
    Effect.gen(function* () {
      const { begun, router } = slow()
      const trusted = ["10.0.0.0/8"]
      const app = router.pipe(yield* SheddingMiddleware.make("shop", { routes, trusted, capacity: 10 }))
      const headers = { "x-request-criticality": "SHEDDABLE" }
      const asks = [handled(app, { ...order, headers, from: "10.0.0.1" }), handled(app, { ...order, headers })]
      const all = yield* Effect.fork(Effect.all(asks))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(all)
      expect(begun).toEqual(["SHEDDABLE", "CRITICAL_PLUS"])
    })
  )

  it.scoped("takes one place for a request, however often it is around it", () =>
    Effect.gen(function* () {
      const { router } = slow()
      const shedding = yield* SheddingMiddleware.make("shop", { ...one, maxWaiting: 0 })
      const fiber = yield* Effect.fork(handled(router.pipe(shedding, shedding), page))
      yield* TestClock.adjust("1 second")
      expect((yield* Fiber.join(fiber)).status).toBe(200)
    })
  )

  it.scoped("works inside of a rate limit that has the same name, and that inside of it", () =>
    Effect.gen(function* () {
      const { router } = slow()
      const shedding = yield* SheddingMiddleware.make("shop", { ...one, maxWaiting: 0 })
      const limited = yield* RateLimitMiddleware.make("shop", { key: Option.none, limit: 100, window: "1 hour" })
      for (const app of [router.pipe(shedding, limited), router.pipe(limited, shedding)]) {
        const both = yield* Effect.fork(Effect.all([handled(app, page), handled(app, page)], { concurrency: 2 }))
        yield* TestClock.adjust("1 second")
        const [served, refused] = yield* Fiber.join(both)
        expect([served.status, refused.status]).toEqual([200, 503])
        expect(served.headers["ratelimit-policy"]).toBe('"shop";q=100;w=3600')
      }
    })
  )

  it.scoped("takes a caller who has gone out of the line, and gives his place to the next", () =>
    Effect.gen(function* () {
      const { begun, router } = slow()
      const app = router.pipe(yield* SheddingMiddleware.make("shop", { ...one, maxWaiting: 2 }))
      const served = (asked: Asked) =>
        Effect.provideService(
          // As a server runs it: what is not a route's handler is not interrupted.
          Effect.uninterruptible(app),
          HttpServerRequest.HttpServerRequest,
          HttpServerRequest.fromWeb(
            new Request(`http://a.example${asked.path ?? "/"}`, { method: asked.method ?? "GET" })
          )
        )
      const running = yield* Effect.fork(Effect.scoped(served(page)))
      yield* TestClock.adjust(0)
      const gone = yield* Effect.fork(Effect.scoped(served(page)))
      yield* TestClock.adjust(0)
      const next = yield* Effect.fork(Effect.scoped(served(order)))
      yield* TestClock.adjust("100 millis")
      expect((yield* Fiber.interrupt(gone))._tag).toBe("Failure")
      yield* TestClock.adjust("900 millis")
      expect(begun).toEqual(["CRITICAL", "CRITICAL_PLUS"])
      yield* TestClock.adjust("1 second")
      expect([(yield* Fiber.join(running)).status, (yield* Fiber.join(next)).status]).toEqual([200, 200])
    })
  )

  it.scoped("refuses whoever has no time left to be served", () =>
    Effect.gen(function* () {
      const { begun, router } = slow()
      const app = router.pipe(
        yield* SheddingMiddleware.make("shop", { ...one, minServiceTime: "500 millis" }),
        ServerMiddleware.deadline({ budget: "2 seconds", trusted: ["203.0.113.7"] })
      )
      const late = handled(app, { ...page, headers: { "x-request-timeout-ms": "499" } })
      const [{ status }, events] = yield* heard(late)
      expect([status, begun]).toEqual([503, []])
      expect(events).toMatchObject([{ _tag: "RequestShed", policy: "shop", priority: "CRITICAL", reason: "Deadline" }])
    })
  )

  it.scoped("leaves the refusals of other shedders to whoever answers them", () =>
    Effect.gen(function* () {
      const shedding = yield* SheddingMiddleware.make("shop")
      const failing = shedding(Effect.fail(shed))
      const request = HttpServerRequest.fromWeb(new Request("http://a.example"))
      const exit = yield* Effect.exit(Effect.provideService(failing, HttpServerRequest.HttpServerRequest, request))
      expect(exit).toEqual(Exit.fail(shed))
      expect((yield* handled(failing.pipe(HttpErrors.respond()))).status).toBe(503)
    })
  )

  it.effect("is refused where it cannot be meant, all at once", () =>
    Effect.gen(function* () {
      const making = SheddingMiddleware.make("shop", {
        routes: [["orders", "CRITICAL"]],
        exempt: ["metrics"],
        capacity: 0
      })
      const exit = yield* Effect.exit(Effect.scoped(making))
      const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      expect(defect).toMatchObject({ problems: [{ option: "exempt" }, { option: "routes" }, { option: "capacity" }] })
    })
  )
})

describe("what a response says of capacity", () => {
  it("is how long it took below 400, that there was too much with 504, and nothing otherwise", () => {
    const of = (status: number) => SheddingMiddleware.classify(Exit.succeed(HttpServerResponse.empty({ status })))
    for (const status of [200, 204, 304]) expect(of(status)._tag, String(status)).toBe("Success")
    for (const status of [400, 404, 429, 500, 503])
      expect(of(status), String(status)).toMatchObject({ _tag: "Ignored" })
    expect(of(504)).toMatchObject({ _tag: "Failure", retryAfter: Option.some(Duration.zero) })
    expect(SheddingMiddleware.classify(Exit.fail(shed))).toMatchObject({ _tag: "Ignored" })
  })

  it.scoped("moves a limit that is learned", () =>
    Effect.gen(function* () {
      const after = (response: Effect.Effect<HttpServerResponse.HttpServerResponse>) =>
        Effect.gen(function* () {
          const shedder = yield* LoadShedder.make("learns", {
            capacity: { algorithm: "aimd", initial: 10, min: 1, max: 100 },
            classify: SheddingMiddleware.classify
          })
          const work = Effect.delay(response, "100 millis")
          const all = yield* Effect.fork(
            Effect.forEach(Array.from({ length: 10 }), () => shedder.protect(work), { concurrency: "unbounded" })
          )
          yield* TestClock.adjust("1 second")
          yield* Fiber.join(all)
          return (yield* shedder.snapshot).limit
        })
      expect(yield* after(HttpServerResponse.text("done"))).toBeGreaterThan(10)
      expect(yield* after(HttpServerResponse.empty({ status: 404 }))).toBe(10)
      expect(yield* after(HttpServerResponse.empty({ status: 504 }))).toBeLessThan(10)
    })
  )
})
