import { CircuitBreaker, Deadline, InvalidOptions, Policy } from "@effect-resilience/core"
import { HttpErrors, ServerMiddleware } from "@effect-resilience/http"
import { HttpRouter, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Data, Duration, Effect, Exit, Option, TestClock } from "effect"
import { ask, type Asking } from "../support/Asked.js"
import { begin, play, script } from "../support/Play.js"

const trusted = ["10.0.0.1"]
const sending = (millis: number): Asking => ({ headers: { "x-request-timeout-ms": String(millis) } })
const done = HttpServerResponse.text("done")
const gatewayTimeout = {
  status: 504,
  contentType: "application/problem+json",
  retryAfter: null,
  body: '{"type":"about:blank","title":"Gateway Timeout","status":504}'
}

/** Answers after so long, with what was left of the budget when it began. */
const slow = (millis: number) =>
  Effect.flatMap(Deadline.remaining, (left) =>
    Effect.delay(
      Effect.succeed(HttpServerResponse.text(String(Option.getOrUndefined(Option.map(left, Duration.toMillis))))),
      millis
    )
  )

class Declined extends Data.TaggedError("Declined")<{}> {}

describe("a request's budget", () => {
  it.effect("is the route's own, and 504 answers when it is spent", () =>
    Effect.gen(function* () {
      const app = (millis: number) => slow(millis).pipe(ServerMiddleware.deadline({ budget: "2 seconds", trusted }))
      const late = yield* play(ask(app(2001)))
      expect(late.exit).toEqual(Exit.succeed(gatewayTimeout))
      expect(late.at).toBe(2000)
      expect(late.events).toEqual([
        { _tag: "DeadlineMissed", policy: "server", at: 2000, where: "in-flight", budget: 2000 }
      ])
      const inTime = yield* play(ask(app(2000)))
      expect(inTime.exit).toMatchObject(Exit.succeed({ status: 200, body: "2000" }))
    })
  )

  it.effect("is shortened by what a trusted caller sends, and never lengthened", () =>
    Effect.gen(function* () {
      const app = Effect.suspend(() => slow(100)).pipe(
        ServerMiddleware.deadline({ name: "orders", budget: "2 seconds", trusted })
      )
      const left = (asking: Asking) => Effect.map(play(ask(app, asking)), ({ exit }) => exit)
      expect(yield* left(sending(800))).toMatchObject(Exit.succeed({ body: "800" }))
      expect(yield* left(sending(60_000))).toMatchObject(Exit.succeed({ body: "2000" }))
      expect(yield* left({ ...sending(800), from: "10.0.0.2" })).toMatchObject(Exit.succeed({ body: "2000" }))
      expect(yield* left({ headers: { "x-request-timeout-ms": "soon" } })).toMatchObject(Exit.succeed({ body: "2000" }))
      expect(yield* left(sending(99))).toEqual(Exit.succeed(gatewayTimeout))
    })
  )

  it.effect("that is spent when the request comes is refused before any work", () =>
    Effect.gen(function* () {
      const work = script(Effect.succeed(done))
      const app = work.call.pipe(ServerMiddleware.deadline({ budget: "2 seconds", trusted }))
      const { events, exit } = yield* play(ask(app, sending(0)))
      expect(exit).toEqual(Exit.succeed(gatewayTimeout))
      expect(work.at).toEqual([])
      expect(events).toMatchObject([{ _tag: "DeadlineMissed", where: "before-start", budget: 0 }])
      yield* ask(app, sending(1))
      expect(work.at).toHaveLength(1)
    })
  )

  it.effect("that has ended answers 504 also where a policy inside has noticed it first", () =>
    Effect.gen(function* () {
      const stock = yield* Policy.standard("stock", { timeout: "none", retry: "none" })
      const app = Effect.as(stock.protect(Effect.never), done).pipe(ServerMiddleware.deadline({ budget: "1 second" }))
      const { at, exit } = yield* play(ask(app))
      expect([exit, at]).toEqual([Exit.succeed(gatewayTimeout), 1000])
      const waited = Effect.zipRight(
        Effect.uninterruptible(Effect.sleep("1 second")),
        stock.protect(Effect.succeed(done))
      )
      const before = yield* play(ask(waited.pipe(ServerMiddleware.deadline({ budget: "1 second" }))))
      expect(before.exit).toEqual(Exit.succeed(gatewayTimeout))
    }).pipe(Effect.scoped)
  )

  it.effect("leaves other errors alone, also a budget that the handler has set itself", () =>
    Effect.gen(function* () {
      const middleware = ServerMiddleware.deadline({ budget: "2 seconds" })
      const declined = yield* play(ask(Effect.fail(new Declined()).pipe(middleware)))
      expect(declined.exit).toEqual(Exit.fail(new Declined()))
      const own = slow(500).pipe(Deadline.protect("100 millis"))
      const inner = yield* play(ask(own.pipe(middleware)))
      expect(inner.exit).toMatchObject(Exit.fail({ _tag: "DeadlineExceeded", policy: "deadline" }))
      const answered = yield* play(ask(own.pipe(middleware, HttpErrors.respond())))
      expect(answered.exit).toEqual(Exit.succeed(gatewayTimeout))
    })
  )

  it.effect("ends a router's handlers, but not those that must not be interrupted", () =>
    Effect.gen(function* () {
      const paid: Array<string> = []
      const charge = Effect.as(
        Effect.tap(Effect.sleep("3 seconds"), () => paid.push("paid")),
        done
      )
      const app = HttpRouter.empty.pipe(
        HttpRouter.get("/quote", charge),
        HttpRouter.get("/charge", charge, { uninterruptible: true }),
        ServerMiddleware.deadline({ budget: "1 second" }),
        Effect.uninterruptible
      )
      const quote = yield* play(ask(app, { path: "/quote" }), "10 seconds")
      expect([quote.exit, quote.at, paid]).toEqual([Exit.succeed(gatewayTimeout), 1000, []])
      const charged = yield* play(ask(app, { path: "/charge" }), "10 seconds")
      expect([charged.exit, charged.at, paid]).toEqual([Exit.succeed(gatewayTimeout), 13_000, ["paid"]])
    })
  )

  it.effect("of callers in a hurry opens no circuit, and one that leaves a dependency its patience does", () =>
    Effect.gen(function* () {
      const stock = yield* Policy.standard("stock", {
        timeout: "1 second",
        retry: "none",
        circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(3) }
      })
      const asked = script(Effect.never)
      const app = Effect.as(stock.protect(asked.call), done).pipe(
        ServerMiddleware.deadline({ budget: "10 seconds", trusted }),
        HttpErrors.respond()
      )
      const state = Option.match(stock.circuitBreaker, {
        onNone: () => Effect.succeed("none"),
        onSome: (of) => of.state
      })
      const hurried = Effect.forEach(Array.from({ length: 20 }), () =>
        Effect.flatMap(begin(ask(app, sending(20))), ({ end }) => Effect.zipRight(TestClock.adjust(20), end))
      )
      const answers = yield* hurried
      expect(answers.map(({ exit }) => exit)).toEqual(answers.map(() => Exit.succeed(gatewayTimeout)))
      expect([asked.at.length, yield* state]).toEqual([20, "Closed"])
      for (let i = 0; i < 3; i++) yield* play(ask(app, sending(600)), "600 millis")
      expect([asked.at.length, yield* state]).toEqual([23, "Open"])
      const refused = yield* play(ask(app, sending(600)), 0)
      expect(refused.exit).toMatchObject(Exit.succeed({ status: 503 }))
      expect(asked.at).toHaveLength(23)
    }).pipe(Effect.scoped)
  )

  it("is refused where it cannot be meant", () => {
    for (const budget of [0, -1, "30 days"] as const)
      expect(() => ServerMiddleware.deadline({ budget }), String(budget)).toThrow(InvalidOptions.InvalidOptions)
  })
})
