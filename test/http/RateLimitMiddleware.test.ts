import { RateLimiter, RateLimiterStore, Telemetry } from "@effect-resilience/core"
import { HttpErrors, RateLimitHeaders, RateLimitMiddleware, RetryAfter } from "@effect-resilience/http"
import { HttpApp, HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Data, Duration, Effect, Exit, Layer, Logger, LogLevel, Option, TestClock } from "effect"
import * as fc from "fast-check"
import { type Asked, handled } from "../support/Handled.js"
import { cases } from "../support/Law.js"
import { heard } from "../support/Play.js"
import { VirtualClock } from "../support/VirtualClock.js"

const key = RateLimitMiddleware.firstOf(RateLimitMiddleware.byHeader("x-api-key"), RateLimitMiddleware.byAddress())
const perMinute = { key, limit: 3, window: "1 minute" } as const

/** A router that counts how often its routes have run. */
const counting = () => {
  const ran: Array<string> = []
  const route = Effect.map(HttpServerRequest.HttpServerRequest, ({ originalUrl }) => {
    ran.push(new URL(originalUrl).pathname)
    return HttpServerResponse.text("done")
  })
  const router = HttpRouter.empty.pipe(
    HttpRouter.all("/items", route),
    HttpRouter.get("/health/live", route),
    HttpRouter.get("/metrics", route)
  )
  return { ran, router }
}

const told = ({ headers }: { readonly headers: Readonly<Record<string, string>> }) => [
  headers["ratelimit"],
  headers["retry-after"]
]

class Declined extends Data.TaggedError("Declined")<{}> {}

describe("a limit of callers", () => {
  it.scoped("answers 429 once it is used up, says so in every answer, and runs nothing", () =>
    Effect.gen(function* () {
      const { ran, router } = counting()
      const app = router.pipe(yield* RateLimitMiddleware.make("api", { ...perMinute, retryAfterJitter: 0 }))
      const ask = handled(app, { path: "/items" })
      const answers = [yield* ask, yield* ask, yield* ask, yield* ask]
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429])
      expect(answers.map(told)).toEqual([
        ['"api";r=2;t=20', undefined],
        ['"api";r=1;t=40', undefined],
        // Nothing is left: so long until there is one.
        ['"api";r=0;t=20', undefined],
        ['"api";r=0;t=20', "20"]
      ])
      expect(new Set(answers.map(({ headers }) => headers["ratelimit-policy"]))).toEqual(new Set(['"api";q=3;w=60']))
      expect(answers[3]?.headers["content-type"]).toBe("application/problem+json")
      expect(ran).toHaveLength(3)
      yield* TestClock.adjust("20 seconds")
      expect((yield* ask).status).toBe(200)
      expect((yield* ask).status).toBe(429)
    })
  )

  it.scoped("is each caller's own, of as much as its tier has", () =>
    Effect.gen(function* () {
      const { router } = counting()
      const limit = (of: string) => (of === "k-gold" ? 5 : 2)
      const app = router.pipe(yield* RateLimitMiddleware.make("api", { key, limit, window: "1 minute" }))
      const served = (asked: Asked) =>
        Effect.map(Effect.replicateEffect(handled(app, { path: "/items", ...asked }), 8), (all) => [
          all.filter(({ status }) => status === 200).length,
          all[0]?.headers["ratelimit-policy"]
        ])
      expect(yield* served({ headers: { "x-api-key": "k-gold" } })).toEqual([5, '"api";q=5;w=60'])
      expect(yield* served({ headers: { "x-api-key": "k-17" } })).toEqual([2, '"api";q=2;w=60'])
      expect(yield* served({ from: "203.0.113.1" })).toEqual([2, '"api";q=2;w=60'])
      expect(yield* served({ from: "203.0.113.2" })).toEqual([2, '"api";q=2;w=60'])
      // It cannot use up the limit of the address that it says it is.
      expect(yield* served({ from: "203.0.113.3", headers: { "x-api-key": "203.0.113.4" } })).toEqual([
        2,
        '"api";q=2;w=60'
      ])
      expect(yield* served({ from: "203.0.113.4" })).toEqual([2, '"api";q=2;w=60'])
    })
  )

  it.scoped("leaves probes and scrapes alone, or what it is told to", () =>
    Effect.gen(function* () {
      const { ran, router } = counting()
      const usual = router.pipe(yield* RateLimitMiddleware.make("api", { ...perMinute, limit: 1 }))
      yield* handled(usual, { path: "/items" })
      for (const path of ["/health/live", "/metrics", "/health/live", "/METRICS"]) {
        const answer = yield* handled(usual, { path })
        expect([path, answer.status, told(answer)]).toEqual([path, 200, [undefined, undefined]])
      }
      expect(ran).toHaveLength(5)
      const own = router.pipe(
        yield* RateLimitMiddleware.make("own", { ...perMinute, limit: 1, exempt: ["OPTIONS /items"] })
      )
      const statuses = Effect.forEach(
        [{ path: "/items" }, { path: "/items", method: "OPTIONS" }, { path: "/metrics" }],
        (asked) => Effect.map(handled(own, asked), ({ status }) => status)
      )
      expect(yield* statuses).toEqual([200, 200, 429])
      const free = router.pipe(
        yield* RateLimitMiddleware.make("free", {
          ...perMinute,
          limit: 1,
          exempt: ({ headers }) => "x-free" in headers
        })
      )
      const free2 = handled(free, { path: "/items", headers: { "x-free": "1" } })
      expect((yield* Effect.replicateEffect(free2, 3)).map(({ status }) => status)).toEqual([200, 200, 200])
    })
  )

  it.scoped("counts a request once, however often it is around it, and others for themselves", () =>
    Effect.gen(function* () {
      const { router } = counting()
      const limited = yield* RateLimitMiddleware.make("api", perMinute)
      const twice = router.pipe(limited, limited)
      expect(told(yield* handled(twice, { path: "/items" }))).toEqual(['"api";r=2;t=20', undefined])
      // Of the same name, and not the same: as a Layer that was built twice.
      const again = router.pipe(yield* RateLimitMiddleware.make("api", perMinute), limited)
      expect(told(yield* handled(again, { path: "/items" }))).toEqual(['"api";r=1;t=40', undefined])
      const daily = yield* RateLimitMiddleware.make("daily", { ...perMinute, limit: 100, window: "1 day" })
      const both = yield* handled(router.pipe(limited, daily), { path: "/items" })
      expect(both.headers["ratelimit"]).toBe('"daily";r=99;t=864, "api";r=0;t=20')
      expect(both.headers["ratelimit-policy"]).toBe('"daily";q=100;w=86400, "api";q=3;w=60')
      const refused = yield* handled(router.pipe(limited, daily), { path: "/items" })
      expect([refused.status, refused.headers["ratelimit"]]).toEqual([429, '"daily";r=98;t=1728, "api";r=0;t=20'])
    })
  )

  it.scoped("is told in the answers to errors, defects and what is not there, too", () =>
    Effect.gen(function* () {
      const router = HttpRouter.empty.pipe(
        HttpRouter.get("/declined", Effect.fail(new Declined())),
        HttpRouter.get("/bug", Effect.dieMessage("a bug"))
      )
      const app = router.pipe(yield* RateLimitMiddleware.make("api", perMinute))
      const answers = yield* Effect.forEach(["/declined", "/bug", "/nowhere"], (path) => handled(app, { path }))
      expect(answers.map(({ headers, status }) => [status, headers["ratelimit"]])).toEqual([
        [500, '"api";r=2;t=20'],
        [500, '"api";r=1;t=40'],
        [404, '"api";r=0;t=20']
      ])
    })
  )

  it.scoped("is taken of as much as a request costs, at least one and at most all", () =>
    Effect.gen(function* () {
      const { router } = counting()
      const cost = ({ headers }: HttpServerRequest.HttpServerRequest) => Number(headers["x-items"])
      const app = router.pipe(yield* RateLimitMiddleware.make("api", { ...perMinute, limit: 10, cost }))
      const asking = (items: string, from: string) =>
        Effect.map(handled(app, { path: "/items", headers: { "x-items": items }, from }), (answer) => told(answer)[0])
      expect(yield* asking("4", "203.0.113.1")).toBe('"api";r=6;t=24')
      expect(yield* asking("2.5", "203.0.113.1")).toBe('"api";r=3;t=42')
      // More than is left, and than there ever is.
      expect(yield* asking("4", "203.0.113.1")).toBe('"api";r=3;t=6')
      expect(yield* asking("1000", "203.0.113.2")).toBe('"api";r=0;t=6')
      expect(yield* asking("-7", "203.0.113.3")).toBe('"api";r=9;t=6')
    })
  )

  it.scoped("is told in the older headers, where one asks for them", () =>
    Effect.gen(function* () {
      const { router } = counting()
      yield* TestClock.setTime(1_700_000_000_500)
      const asked = (xRateLimit: "none" | "seconds" | "epoch") =>
        Effect.gen(function* () {
          const app = router.pipe(yield* RateLimitMiddleware.make("api", { ...perMinute, xRateLimit }))
          const { headers } = yield* handled(app, { path: "/items" })
          return ["limit", "remaining", "reset"].map((name) => headers[`x-ratelimit-${name}`])
        })
      expect(yield* asked("none")).toEqual([undefined, undefined, undefined])
      expect(yield* asked("seconds")).toEqual(["3", "2", "20"])
      expect(yield* asked("epoch")).toEqual(["3", "2", "1700000021"])
    })
  )

  it.scoped("is reported at each refusal, and logged in one line for many", () =>
    Effect.gen(function* () {
      const { router } = counting()
      const app = router.pipe(yield* RateLimitMiddleware.make("api", perMinute))
      const [, events] = yield* heard(Effect.replicateEffect(handled(app, { path: "/items" }), 5))
      expect(events.map(({ _tag, policy }) => [_tag, policy])).toEqual([
        ["CallRejected", "api"],
        ["CallRejected", "api"]
      ])
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        if (LogLevel.greaterThanEqual(logLevel, LogLevel.Info)) lines.push(String(message))
      })
      const many = Effect.replicateEffect(handled(app, { path: "/items" }), 500)
      const log = Telemetry.layerLog.pipe(Layer.provideMerge(Logger.replace(Logger.defaultLogger, logger)))
      yield* Effect.provide(many, log)
      expect(lines).toHaveLength(1)
      expect(lines[0]).toContain("500")
    })
  )

  it.scoped("is shared by those who share a store", () =>
    Effect.gen(function* () {
      const { router } = counting()
      const one = router.pipe(yield* RateLimitMiddleware.make("api", perMinute))
      const other = router.pipe(yield* RateLimitMiddleware.make("api", perMinute))
      expect(told(yield* handled(one, { path: "/items" }))[0]).toBe('"api";r=2;t=20')
      expect(told(yield* handled(other, { path: "/items" }))[0]).toBe('"api";r=1;t=40')
    }).pipe(Effect.provide(RateLimiterStore.layerMemory))
  )

  it.scoped("leaves RateLimited of the handler's own to the handler", () =>
    Effect.gen(function* () {
      const limiter = yield* RateLimiter.make("quota", { limit: 1, window: "1 minute" })
      const app = Effect.as(limiter.take(), HttpServerResponse.empty()).pipe(
        yield* RateLimitMiddleware.make("api", perMinute)
      )
      const ask = Effect.exit(HttpApp.withPreResponseHandler(app, (_, response) => Effect.succeed(response)))
      const request = HttpServerRequest.fromWeb(new Request("http://a.example"))
      const asked = Effect.provideService(ask, HttpServerRequest.HttpServerRequest, request)
      yield* asked
      expect(yield* asked).toMatchObject(Exit.fail({ _tag: "RateLimited", policy: "quota" }))
      const answered = yield* handled(app.pipe(HttpErrors.respond()))
      expect([answered.status, answered.headers["ratelimit"]]).toEqual([429, '"api";r=2;t=20'])
    })
  )

  it.effect("is refused where it cannot be meant, all at once", () =>
    Effect.gen(function* () {
      const making = RateLimitMiddleware.make("api", {
        ...perMinute,
        limit: 0,
        exempt: ["metrics"],
        // @ts-expect-error neither of the three
        xRateLimit: "minutes"
      })
      const exit = yield* Effect.exit(Effect.scoped(making))
      const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      expect(defect).toMatchObject({
        _tag: "InvalidOptions",
        problems: [{ option: "exempt" }, { option: "xRateLimit" }, { option: "limit" }]
      })
    })
  )
})

/** Runs an effect by a clock of its own. */
const clocked = (self: (clock: VirtualClock) => Effect.Effect<void>): Promise<void> =>
  Effect.runPromise(
    Effect.suspend(() => {
      const clock = new VirtualClock()
      return clock.rule(self(clock))
    })
  )

describe("what a refused caller is told", () => {
  const refused = new Set<string>()

  it.effect("is never earlier than it would be served, whatever the limit", () =>
    Effect.promise(() =>
      fc
        .assert(
          fc.asyncProperty(
            fc.integer({ min: 1, max: 50 }),
            fc.integer({ min: 1, max: 100_000 }),
            fc.constantFrom("token-bucket" as const, "sliding-window" as const),
            fc.integer({ min: 1, max: 60 }),
            fc.integer({ min: 0, max: 50_000 }),
            (limit, windowMillis, algorithm, calls, since) =>
              clocked((clock) =>
                Effect.gen(function* () {
                  yield* clock.pass(since)
                  const { router } = counting()
                  const options = { key, limit, window: windowMillis, algorithm }
                  const app = router.pipe(yield* RateLimitMiddleware.make("api", options))
                  const ask = handled(app, { path: "/items" })
                  yield* Effect.replicateEffect(ask, limit + calls - 1)
                  const { headers, status } = yield* ask
                  if (status !== 429) return
                  const [quota] = RateLimitHeaders.parse(headers["ratelimit"] ?? "")
                  const reset = Duration.toSeconds(Option.getOrThrow(quota?.reset ?? Option.none()))
                  const after = RetryAfter.parse(headers["retry-after"] ?? "", 0)
                  expect(Duration.toSeconds(Option.getOrThrow(after))).toBeGreaterThanOrEqual(Math.max(1, reset))
                  refused.add(algorithm)
                  yield* clock.pass(reset * 1_000)
                  expect((yield* ask).status).toBe(200)
                }).pipe(Effect.scoped)
              )
          ),
          cases(40)
        )
        .then(() => expect(refused.size).toBe(2))
    )
  )
})
