/** Composing policies is associative, with the composition of none as its unit. */
import { Backoff, Bulkhead, CircuitBreaker, Policy, Retry, Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Exit } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { failureOf } from "../support/Passing.js"
import { play, script } from "../support/Play.js"

type Any = Policy.Policy<unknown>
type Compose = (a: Any, b: Any, c: Any, d: Any) => Any["protect"]

/** Four policies that have something to say to the scripts below. */
const parts = Effect.all([
  CircuitBreaker.make("breaker", { tripPolicy: CircuitBreaker.consecutive(2), openJitter: 0, openDuration: 500 }),
  Bulkhead.make("bulkhead", { maxConcurrent: 1 }),
  Retry.make("retry", { maxRetries: 1, backoff: Backoff.constant(30) }),
  Timeout.make("timeout", { duration: 50 })
])

const groupings: Readonly<Record<string, Compose>> = {
  "to the left": (a, b, c, d) => Policy.all(Policy.all(Policy.all(a, b), c), d).protect,
  "to the right": (a, b, c, d) => Policy.all(a, Policy.all(b, Policy.all(c, d))).protect,
  "in pairs": (a, b, c, d) => Policy.all(Policy.all(a, b), Policy.all(c, d)).protect,
  "with nothing in between": (a, b, c, d) =>
    Policy.all(Policy.all(), a, Policy.all(b, Policy.all(), c), d, Policy.all()).protect,
  "by hand": (a, b, c, d) => (self) => a.protect(b.protect(c.protect(d.protect(self))))
}

type Answer = Effect.Effect<string, Unavailable>

const unavailable: Answer = Effect.fail(new Unavailable({}))

const scripts: ReadonlyArray<readonly [Answer, ...ReadonlyArray<Answer>]> = [
  [Effect.succeed("a")],
  [unavailable, Effect.succeed("b")],
  [unavailable],
  [Effect.never],
  [Effect.succeed("c")]
]

/** Everything that can be seen of some calls, two of them at a time, through a composition of fresh policies. */
const seen = (compose: Compose) =>
  Effect.gen(function* () {
    const [a, b, c, d] = yield* parts
    const protect = compose(a, b, c, d)
    const told: Array<unknown> = []
    for (const answers of scripts) {
      const start = yield* Clock.currentTimeMillis
      const dependency = script(...answers)
      const call = Effect.exit(protect(dependency.call))
      const { exit } = yield* play(Effect.all([call, call], { concurrency: "unbounded" }), 200)
      const ends = Exit.isSuccess(exit) ? exit.value.map((end) => String(failureOf(end))) : []
      told.push({ asked: dependency.at.map((at) => at - start), ends })
    }
    return told
  })

describe("Policy.all", () => {
  for (const [name, compose] of Object.entries(groupings)) {
    it.scoped(`means the same when grouped ${name}`, () =>
      Effect.gen(function* () {
        const refused = expect.stringContaining('"breaker" is open')
        const plain = yield* seen((a, b, c, d) => Policy.all(a, b, c, d).protect)
        expect(yield* seen(compose)).toEqual(plain)
        expect(plain).toMatchObject([
          { asked: [0] },
          { asked: [0, 30] },
          { asked: [0, 30] },
          { asked: [0, 80] },
          { asked: [], ends: [refused, refused] }
        ])
      })
    )
  }
})
