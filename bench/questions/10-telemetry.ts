import { Telemetry } from "@effect-resilience/core"
import { ResilienceMetrics } from "@effect-resilience/observability"
import { Data, Effect, Layer } from "effect"
import { mustHold, type Question } from "../harness/Question.js"
import { measured, ours, proved } from "../subjects/Five.js"
import { bareCall, enteredEach, inFiber, lasting } from "../subjects/Loops.js"

class Unavailable extends Data.TaggedError("Unavailable") {}

/** A sink that counts what it is told, by kind. */
const counting = () => {
  const seen = new Map<string, number>()
  const sink = Telemetry.layer(({ _tag }) => {
    seen.set(_tag, (seen.get(_tag) ?? 0) + 1)
  })
  return { seen, listening: Effect.provide(sink) }
}

/** Metrics, log, spans, and one that looks on. */
const allSinks = Layer.mergeAll(
  ResilienceMetrics.layer(),
  Telemetry.layerLog,
  Telemetry.layerSpans,
  Telemetry.layer(() => {})
)

const mustTell = async (): Promise<void> => {
  const { listening, seen } = counting()
  const { protect } = await ours(proved)
  await Effect.runPromise(listening(protect(Effect.fail(new Unavailable()))))
  mustHold(seen.get("FallbackServed") === 1, "the sink is told nothing")
}

/** What a listener costs a call that has nothing to tell. */
export const question: Question = {
  id: 10,
  title: "five policies on a successful async call, with telemetry",
  prepare: async () => {
    await mustTell()
    const { listening } = counting()
    // Built once, as programs do.
    const listeningAll = Effect.provide(await lasting(Layer.build(allSinks)))
    const call = (await ours(measured)).protect(bareCall)
    mustHold((await Effect.runPromise(listening(call))) === 1, "a listener loses the answer")
    return {
      reference: "bare call",
      cases: [
        { name: "bare call", run: inFiber(bareCall) },
        { name: "nobody listens", run: inFiber(call) },
        { name: "a sink listens", run: inFiber(call, listening) },
        { name: "all sinks listen", run: inFiber(call, listeningAll) },
        { name: "nobody listens, one runPromise each", run: enteredEach(call) },
        { name: "a sink listens, one runPromise each", run: enteredEach(listening(call)) }
      ],
      comparisons: [
        {
          question: "a successful call with telemetry on",
          peer: "off",
          goal: 1.25,
          ours: (of) => of("all sinks listen").wall,
          theirs: (of) => of("nobody listens").wall
        }
      ]
    }
  }
}
