/**
 * Three questions that are kept apart. Live: does the process answer. Ready: may it have traffic; an open circuit does
 * not change that, since one sick dependency would take every instance out. Dependencies: what each circuit says, for
 * people and dashboards, always with status 200.
 */
import { CircuitBreaker, PolicyRegistry } from "@effect-resilience/core"
import { HttpServerResponse } from "@effect/platform"
import { Duration, Effect, Option } from "effect"

/** The process answers. It asks nobody. */
export const live = Effect.succeed(HttpServerResponse.unsafeJson({ status: "pass" }))

/** The service takes requests: whoever gets this answer has been served by all of its Layers. */
export const ready = Effect.succeed(HttpServerResponse.unsafeJson({ status: "pass" }))

interface Circuit {
  readonly name: string
  readonly state: CircuitBreaker.State
  readonly calls: number
  readonly failures: number
  /** Milliseconds until the next probe is let through, when open. */
  readonly nextProbeMillis: number | null
}

/** HEALTHY with no circuit open, UNHEALTHY with all of them, otherwise DEGRADED. */
export const status = (all: ReadonlyArray<Pick<Circuit, "state">>): "HEALTHY" | "DEGRADED" | "UNHEALTHY" => {
  const open = all.filter(({ state }) => state !== "Closed").length
  if (open === 0) return "HEALTHY"
  return open === all.length ? "UNHEALTHY" : "DEGRADED"
}

const circuits = Effect.flatMap(PolicyRegistry.entries, (entries) =>
  Effect.forEach(
    entries.flatMap(({ name, policy }) => (CircuitBreaker.isCircuitBreaker(policy) ? [{ name, breaker: policy }] : [])),
    ({ breaker, name }) =>
      Effect.map(breaker.snapshot, ({ calls, failures, retryAfter, state }): Circuit => ({
        name,
        state,
        calls,
        failures,
        nextProbeMillis: Option.getOrNull(Option.map(retryAfter, Duration.toMillis))
      }))
  )
)

/** What the dependencies' circuits say. */
export const dependencies = Effect.map(circuits, (all) =>
  HttpServerResponse.unsafeJson({ status: status(all), circuits: all })
)
