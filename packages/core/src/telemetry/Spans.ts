/**
 * Events on the span that the caller is in: rejections, retries, timeouts, fallbacks and transitions, with their tags and
 * numbers. No span of its own: a call that has nothing to tell costs nothing here.
 */
import { Context, Effect, type Layer, Option, Tracer } from "effect"
import { type AnyFiber, clockOf } from "../FiberTime.js"
import type { Event } from "./Events.js"
import { layerSink } from "./Hub.js"
import { lineOf } from "./Line.js"

const attributes = (event: Event): Readonly<Record<string, string | number>> => {
  switch (event._tag) {
    case "CircuitChanged":
      return { "circuitbreaker.name": event.policy, "circuitbreaker.state": event.to }
    case "CallRejected":
      return event.by === "circuit" ? { "circuitbreaker.name": event.policy, "circuitbreaker.state": "Open" } : {}
    case "RetryScheduled":
      return { "retry.attempt": event.attempt + 1 }
    case "RetriesExhausted":
      return { "retry.attempt": event.attempts }
    case "CallTimedOut":
      return { "timeout.duration": event.limit }
    default:
      return {}
  }
}

const publish = (event: Event, fiber: AnyFiber): void => {
  const span = Option.getOrUndefined(Context.getOption(fiber.currentContext, Tracer.ParentSpan))
  if (span === undefined || span._tag !== "Span") return
  span.event(event._tag, clockOf(fiber).unsafeCurrentTimeNanos(), lineOf(event).annotations)
  for (const [name, value] of Object.entries(attributes(event))) span.attribute(name, value)
}

/**
 * Puts events on the caller's current span, if it is in one: with attributes `circuitbreaker.name`, `circuitbreaker.state`,
 * `retry.attempt` (of the last attempt, from 1) and `timeout.duration` (milliseconds).
 *
 * @example
 * ```ts
 * import { Policy, Telemetry } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const policy = yield* Policy.standard("search")
 *   return yield* policy.protect(Effect.succeed("found")).pipe(Effect.withSpan("find"))
 * })
 * Effect.runPromise(program.pipe(Effect.provide(Telemetry.layerSpans), Effect.scoped)).then(console.log)
 * ```
 */
export const layerSpans: Layer.Layer<never> = layerSink(Effect.succeed({ publish }))
