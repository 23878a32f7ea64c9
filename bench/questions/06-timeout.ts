import { Timeout } from "@effect-resilience/core"
import { timeout as cockatielTimeout, TimeoutStrategy } from "cockatiel"
import { Effect, Exit } from "effect"
import pTimeout from "p-timeout"
import { mustHold, type Question } from "../harness/Question.js"
import { answerAtOnce, awaited, bareCall, ended, enteredEach, inFiber, lasting } from "../subjects/Loops.js"

const mustFire = async (what: string, limited: <A>(self: Effect.Effect<A>) => Effect.Effect<A, unknown>) => {
  let interrupted = 0
  const hanging = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
  const [exit, took] = await ended(limited(hanging))
  mustHold(Exit.isFailure(exit) && took >= 9 && took < 2000, `${what} does not fire`)
  mustHold(interrupted === 1, `${what} does not interrupt the work`)
}

const stock = (limit: `${number} millis`) =>
  Effect.timeoutFail({ duration: limit, onTimeout: () => new Error("timed out") })

/** A timeout alone, against Effect's own. */
export const question: Question = {
  id: 6,
  title: "timeout alone, on a successful async call",
  prepare: async () => {
    const short = await lasting(Timeout.make("short", { duration: "10 millis" }))
    await mustFire("Timeout", short.protect)
    await mustFire("Effect.timeoutFail", stock("10 millis"))
    const policy = await lasting(Timeout.make("bench", { duration: "2 seconds" }))
    const ours = policy.protect(bareCall)
    mustHold((await Effect.runPromise(ours)) === 1, "the timeout loses the answer")
    const peer = cockatielTimeout(2000, TimeoutStrategy.Aggressive)
    return {
      reference: "bare call",
      cases: [
        { name: "bare call", run: inFiber(bareCall) },
        { name: "Timeout", run: inFiber(ours) },
        { name: "Timeout, made anew for each call", run: inFiber(Effect.suspend(() => policy.protect(bareCall))) },
        { name: "Effect.timeoutFail", run: inFiber(stock("2000 millis")(bareCall)) },
        { name: "bare call, one runPromise each", run: enteredEach(bareCall) },
        { name: "Timeout, one runPromise each", run: enteredEach(ours) },
        { name: "cockatiel timeout", run: awaited(() => peer.execute(answerAtOnce)) },
        { name: "p-timeout", run: awaited(() => pTimeout(answerAtOnce(), { milliseconds: 2000 })) }
      ],
      comparisons: [
        {
          question: "timeout alone",
          peer: "Effect.timeoutFail",
          goal: 0.1,
          ours: (of) => of("Timeout").wall,
          theirs: (of) => of("Effect.timeoutFail").wall
        }
      ]
    }
  }
}
