import { Policy, Telemetry } from "@effect-resilience/core"
import { Data, Effect } from "effect"
import { mustHold, type Question } from "../harness/Question.js"
import { bareCall, inFiber, lasting } from "../subjects/Loops.js"

class Unavailable extends Data.TaggedError("Unavailable") {}

const unavailable = new Unavailable()

/** As beside a subscriber: with a scope, which is one more service in the context that each call copies. */
const alone = <A, E>(calls: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.scoped(Effect.zipRight(Effect.scope, calls))

/** While so many calls are made somebody subscribes to events of all of them, and takes none. */
const besideStuck = <A, E>(calls: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.scoped(Effect.zipRight(Telemetry.subscribe({ calls: true }), calls))

const counted = (call: Effect.Effect<unknown>, times: number): Promise<Telemetry.Counts> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.flatMap(Telemetry.subscribe({ calls: true }), ({ counts }) =>
        Effect.zipRight(Effect.repeatN(call, times - 1), counts)
      )
    )
  )

const mustCount = async (call: Effect.Effect<unknown>): Promise<void> => {
  const { dropped, published, received, waiting } = await counted(call, 3000)
  mustHold(published >= 3000 && received === 0, "the subscriber is not told of each call, or takes something")
  mustHold(published === dropped + waiting && waiting === 1024, "an event is neither dropped nor kept")
}

/** What it costs a call that somebody listens who never takes anything. */
export const question: Question = {
  id: 14,
  title: "a call beside a subscriber that is stuck",
  prepare: async () => {
    const answered = Effect.exit((await lasting(Policy.standard("bench"))).protect(bareCall))
    // A circuit would open.
    const policy = await lasting(Policy.standard("bench", { circuitBreaker: "none" }))
    const failed = Effect.exit(policy.protect(Effect.zipRight(bareCall, Effect.fail(unavailable))))
    await mustCount(answered)
    await mustCount(failed)
    return {
      reference: "bare call",
      cases: [
        { name: "bare call", run: inFiber(bareCall) },
        { name: "success, nobody listens", run: inFiber(answered, alone) },
        { name: "success, a stuck subscriber", run: inFiber(answered, besideStuck) },
        { name: "failure, nobody listens", run: inFiber(failed, alone) },
        { name: "failure, a stuck subscriber", run: inFiber(failed, besideStuck) }
      ],
      comparisons: ["success", "failure"].map((ended) => ({
        question: `a call that ends in ${ended}, beside a stuck subscriber to all calls`,
        peer: "nobody listens",
        goal: 1.1,
        ours: (of) => of(`${ended}, a stuck subscriber`).wall,
        theirs: (of) => of(`${ended}, nobody listens`).wall
      }))
    }
  }
}
