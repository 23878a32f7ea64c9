/** What the order of a timeout and a retry decides: whether the limit is for each attempt or for all of them. */
import { Backoff, Policy, Retry, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { failureOf } from "../support/Passing.js"
import { play, script } from "../support/Play.js"

const parts = Effect.all({
  timeout: Timeout.make("timeout", { duration: "1 second" }),
  retry: Retry.make("retry", { maxRetries: 2, backoff: Backoff.constant("100 millis") })
})

const slowFailure = Effect.zipRight(Effect.sleep("800 millis"), Effect.fail(new Unavailable({})))

describe("timeout inside, retry outside", () => {
  it.scoped("each attempt has the whole limit, and one that reaches it is repeated", () =>
    Effect.gen(function* () {
      const { retry, timeout } = yield* parts
      const payment = script<string>(Effect.never, Effect.never, Effect.succeed("paid"))
      const played = yield* play(Policy.all(retry, timeout).protect(payment.call), "1 minute")
      expect(payment.at).toEqual([0, 1_100, 2_200])
      expect(played).toMatchObject({ exit: Exit.succeed("paid"), at: 2_200 })
    })
  )

  it.scoped("attempts that fail just in time are all made", () =>
    Effect.gen(function* () {
      const { retry, timeout } = yield* parts
      const payment = script(slowFailure)
      const played = yield* play(Policy.all(retry, timeout).protect(payment.call), "1 minute")
      expect(payment.at).toEqual([0, 900, 1_800])
      expect(failureOf(played.exit)).toBeInstanceOf(Unavailable)
      expect(played.at).toBe(2_600)
    })
  )
})

describe("timeout outside, retry inside", () => {
  it.scoped("all attempts and waits together have the limit", () =>
    Effect.gen(function* () {
      const { retry, timeout } = yield* parts
      const payment = script(slowFailure)
      const played = yield* play(Policy.all(timeout, retry).protect(payment.call), "1 minute")
      expect(payment.at).toEqual([0, 900])
      expect(failureOf(played.exit)).toMatchObject({ _tag: "TimedOut" })
      expect(played.at).toBe(1_000)
    })
  )

  it.scoped("a call that hangs is asked once", () =>
    Effect.gen(function* () {
      const { retry, timeout } = yield* parts
      const payment = script(Effect.never)
      yield* play(Policy.all(timeout, retry).protect(payment.call), "1 minute")
      expect(payment.at).toEqual([0])
    })
  )
})
