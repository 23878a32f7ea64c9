/**
 * What the policies report: one stream of typed events, plain data, past tense. With nobody listening a call pays one
 * check.
 *
 * Sinks are Layers: `layerLog`, `layerSpans`, `layer` for a function, those of other packages. Provide them merged, as
 * many as you like; one that is provided inside another program's hears that part, and the ones around it hear it as well.
 * `stream` and `subscribe` are for a part of the program that looks on for a while, as a dashboard does.
 *
 * `at` is monotonic milliseconds, as in all of the policies' arithmetic. Events carry an error's tag, never the error: it
 * may hold a request with credentials. Events of every call (`CallSettled`) are made only where a sink asks for them.
 */
import { Effect, type Layer } from "effect"
import { nowMillis } from "./FiberTime.js"
import type { Event } from "./telemetry/Events.js"
import { layerSink, publish } from "./telemetry/Hub.js"

export type * from "./telemetry/Events.js"
export { layerLog } from "./telemetry/Log.js"
export { layerSpans } from "./telemetry/Spans.js"
export { ended, ownedBy, ownerOf } from "./telemetry/Owner.js"
export { type Hub, hubOfCalls, isHeard, layerSink, listen, publish, type Sink, Telemetry } from "./telemetry/Hub.js"
export {
  type Counts,
  type Options as SubscribeOptions,
  stream,
  subscribe,
  type Subscription
} from "./telemetry/Subscription.js"

/**
 * A Layer that hands every event to `hear`; with `calls` also those of every call.
 *
 * @example
 * ```ts
 * import { Telemetry } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.succeed("anything protected by a policy")
 * Effect.runPromise(Effect.provide(program, Telemetry.layer((event) => console.log(event._tag, event.policy))))
 * ```
 */
export const layer = (
  hear: (event: Event) => void,
  options: { readonly calls?: boolean | undefined } = {}
): Layer.Layer<never> => layerSink(Effect.succeed({ publish: (event) => hear(event), ...options }))

/** Reports what happens now, if anybody listens. For what is not in the middle of a decision. */
export const report = (event: (at: number) => Event): Effect.Effect<void> =>
  Effect.withFiberRuntime((fiber) => {
    publish(fiber, () => event(nowMillis(fiber)))
    return Effect.void
  })
