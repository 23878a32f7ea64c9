import { InvalidOptions, RateLimiter } from "@effect-resilience/core"
import { HttpErrors } from "@effect-resilience/http"
import { HttpServerRespondable, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Data, Duration, Effect, Exit, FiberId, Random } from "effect"
import * as fc from "fast-check"
import { ask } from "../support/Asked.js"
import { cases } from "../support/Law.js"
import { exceeded, full, isolated, limited, open, shed, throttled, timedOut } from "../support/Refusals.js"

/** An application's own, which happens to have the name of one of ours. */
class OwnTimedOut extends Data.TaggedError("TimedOut")<{ readonly policy: string }> {}
class Declined extends Data.TaggedError("Declined")<{}> {}

const answered = (error: unknown, options?: HttpErrors.Options) =>
  ask(Effect.fail(error).pipe(HttpErrors.respond(options))).pipe(Effect.withRandom(Random.fixed([0.99])))

const body = (status: number, title: string) => JSON.stringify({ type: "about:blank", title, status })

describe("the answer to an error of a policy", () => {
  it.effect("has a status that says whose turn it is, problem details, and when to come back where that is known", () =>
    Effect.gen(function* () {
      const contentType = "application/problem+json"
      const rows = [
        [open, 503, "Service Unavailable", "33"],
        [isolated, 503, "Service Unavailable", null],
        [full, 503, "Service Unavailable", null],
        [timedOut, 504, "Gateway Timeout", null],
        [exceeded, 504, "Gateway Timeout", null],
        [limited, 429, "Too Many Requests", "3"],
        [throttled, 503, "Service Unavailable", "14"],
        // That of a shedder is spread already.
        [shed, 503, "Service Unavailable", "3"]
      ] as const
      for (const [error, status, title, retryAfter] of rows)
        expect(yield* answered(error), error._tag).toEqual({
          status,
          contentType,
          retryAfter,
          body: body(status, title)
        })
    })
  )

  it.effect("names nothing and counts nothing unless asked, and then says the tag, the policy and the message", () =>
    Effect.gen(function* () {
      for (const error of [open, full, timedOut, exceeded, limited, throttled, shed]) {
        expect(JSON.stringify(yield* answered(error, { retryAfterJitter: 0 }))).not.toMatch(
          /payment|17|full|Open|TimedOut|SHED|Full/
        )
        const { body: text } = yield* answered(error, { verbose: true })
        expect(JSON.parse(text)).toMatchObject({ detail: error.message, error: error._tag, policy: "payment-eu" })
      }
    })
  )

  it("asks for whole seconds, at least one, never earlier than the error does and at most so much later", () => {
    const seconds = fc.double({ min: 0, max: 100_000, noNaN: true })
    const part = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(
        seconds,
        part,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (wait, jitter, random) => {
          const asked = HttpErrors.retryAfter(Duration.seconds(wait), { jitter, random })
          const least = Math.max(1, Math.ceil(wait))
          return Number.isInteger(asked) && asked >= least && asked <= least + Math.ceil(least * jitter)
        }
      ),
      cases(1000)
    )
    const drawn = [0, 0.3, 0.6, 0.99].map((random) =>
      HttpErrors.retryAfter(Duration.seconds(30), { jitter: 0.1, random })
    )
    expect(drawn).toEqual([30, 31, 32, 33])
    expect(HttpErrors.retryAfter(Duration.millis(1), { jitter: 0, random: 0.99 })).toBe(1)
  })

  it("dies of a jitter that is none", () => {
    expect(() => HttpErrors.respond({ retryAfterJitter: 1.5 })).toThrow(InvalidOptions.InvalidOptions)
    expect(() => HttpErrors.respond({ retryAfterJitter: 1 })).not.toThrow()
  })
})

describe("what is no error of a policy", () => {
  const passes = <E>(cause: Cause.Cause<E>) =>
    Effect.map(Effect.exit(ask(Effect.failCause(cause).pipe(HttpErrors.respond()))), (exit) => {
      expect(Exit.isFailure(exit)).toBe(true)
      return Exit.isFailure(exit) ? exit.cause : Cause.empty
    })

  it.effect("is left as it is: other errors, also by the same name, those that answer for themselves, defects", () =>
    Effect.gen(function* () {
      const respondable = Object.assign(new RateLimiter.RateLimited({ ...limited, policy: "mine" }), {
        [HttpServerRespondable.symbol]: () => HttpServerResponse.empty({ status: 418 })
      })
      const others = [new Declined(), new OwnTimedOut({ policy: "mine" }), respondable, "TimedOut", undefined, null]
      for (const error of others) expect(yield* passes(Cause.fail(error))).toEqual(Cause.fail(error))
      expect(yield* passes(Cause.die(open))).toEqual(Cause.die(open))
      expect(yield* passes(Cause.interrupt(FiberId.none))).toEqual(Cause.interrupt(FiberId.none))
    })
  )

  it.effect("decides where it comes together with one, which then is a defect beside it", () =>
    Effect.gen(function* () {
      const declined = new Declined()
      const bug = Cause.die(new Error("bug"))
      const both = yield* passes(Cause.parallel(Cause.fail(open), Cause.fail(declined)))
      expect([...Cause.failures(both)]).toEqual([declined])
      expect([...Cause.defects(both)]).toEqual([open])
      const withBug = yield* passes(Cause.sequential(Cause.fail(open), bug))
      expect([...Cause.defects(withBug)]).toEqual([open, new Error("bug")])
    })
  )

  it.effect("does not hide one whose siblings were interrupted or failed alike: the first is answered", () =>
    Effect.gen(function* () {
      const siblings = Effect.all([Effect.never, Effect.fail(timedOut), Effect.never], { concurrency: "unbounded" })
      const app = Effect.as(siblings, HttpServerResponse.empty())
      expect((yield* ask(app.pipe(HttpErrors.respond()))).status).toBe(504)
      const cause = Cause.parallel(
        Cause.fail(open),
        Cause.parallel(Cause.interrupt(FiberId.none), Cause.fail(timedOut))
      )
      const several = Effect.failCause(cause).pipe(HttpErrors.respond())
      expect((yield* ask(several)).status).toBe(503)
    })
  )
})
