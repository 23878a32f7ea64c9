/**
 * Says what a standard policy does, before it does it: its layers in order, its worst case, and every trap in it.
 */
import { Duration, Either } from "effect"
import { InvalidOptions } from "../InvalidOptions.js"
import { loose, type Settings, type StandardOptions } from "./Options.js"
import { find, fittingRetries, type Subject, type Surroundings, type Trap, worstCaseMillis } from "./Traps.js"

/** One layer of the composition. */
export interface Layer {
  readonly layer: "deadline" | "bulkhead" | "circuit breaker" | "retry" | "timeout"
  readonly does: string
}

/** What a standard policy does, in the order in which it does it, in the worst case, and what is wrong with it. */
export interface Explanation {
  readonly name: string
  /** Outermost first. */
  readonly layers: ReadonlyArray<Layer>
  /** How often the dependency may be asked for one call. */
  readonly attempts: number
  /** How long a call may take once it has a permit, in milliseconds: what the deadline allows, or all attempts and waits. */
  readonly worstCaseMillis: number
  /** The same without the deadline. */
  readonly unboundedMillis: number
  /** How many retries fit the deadline in the worst case. */
  readonly retriesThatFit: number
  readonly traps: ReadonlyArray<Trap>
}

const show = (millis: number): string => (millis === Infinity ? "for ever" : Duration.format(Duration.millis(millis)))

const tripText = (settings: NonNullable<Settings["circuit"]>): string => {
  const { tripPolicy } = settings.machine
  if (tripPolicy._tag === "Consecutive") return `${tripPolicy.failures} failures in a row`
  const { window } = tripPolicy
  const over = window._tag === "Count" ? `${window.size} calls` : show(window.spanMillis)
  return `${tripPolicy.threshold} of at least ${tripPolicy.minimumCalls} calls failed over ${over}`
}

const lineText = ({ maxQueue, maxWaitMillis }: NonNullable<Settings["bulkhead"]>): string => {
  if (maxQueue === 0) return "nobody waits"
  return maxWaitMillis === Infinity ? `${maxQueue} may wait` : `${maxQueue} may wait, ${show(maxWaitMillis)} at most`
}

const layers = ({ bulkhead, circuit, deadlineMillis, retry, timeoutMillis }: Settings): ReadonlyArray<Layer> => [
  ...(deadlineMillis === Infinity ? [] : [{ layer: "deadline" as const, does: `${show(deadlineMillis)} in all` }]),
  ...(bulkhead === undefined
    ? []
    : [
        {
          layer: "bulkhead" as const,
          does: `${bulkhead.limit} at a time, ${lineText(bulkhead)}`
        }
      ]),
  ...(circuit === undefined
    ? []
    : [
        {
          layer: "circuit breaker" as const,
          does: `opens after ${tripText(circuit)}, for ${show(circuit.machine.openMillis(1))}`
        }
      ]),
  ...(retry === undefined
    ? []
    : [{ layer: "retry" as const, does: `${retry.maxRetries} retries of what is transient` }]),
  ...(timeoutMillis === Infinity ? [] : [{ layer: "timeout" as const, does: `${show(timeoutMillis)} an attempt` }])
]

const subject = (name: string, options: StandardOptions): Subject => ({
  name,
  options,
  settings: Either.getOrThrowWith(loose(options), (problems) => new InvalidOptions({ policy: name, problems }))
})

/**
 * Explains the options of a standard policy, and finds the traps in them; `surroundings` says what stands around it.
 * Takes also what `Policy.standard` refuses as contradictory. Throws `InvalidOptions` for options out of range.
 *
 * @example
 * ```ts
 * import { Policy } from "@effect-resilience/core"
 *
 * const explanation = Policy.explain("payment", {
 *   deadline: "5 seconds",
 *   timeout: "2 seconds",
 *   retry: { maxRetries: 3 }
 * })
 * console.log(Policy.format(explanation))
 * ```
 */
export const explain = (name: string, options: StandardOptions = {}, surroundings: Surroundings = {}): Explanation => {
  const about = subject(name, options)
  const { settings } = about
  const sharers = (surroundings.beside ?? []).map((other) => subject(other.name, other.options))
  const unboundedMillis = worstCaseMillis(about)
  return {
    name,
    layers: layers(settings),
    attempts: (settings.retry?.maxRetries ?? 0) + 1,
    worstCaseMillis: Math.min(unboundedMillis, settings.deadlineMillis),
    unboundedMillis,
    retriesThatFit: fittingRetries(about),
    traps: find(about, sharers, surroundings)
  }
}

/** An explanation as lines of text. */
export const format = (explanation: Explanation): string => {
  const width = Math.max(...explanation.layers.map(({ layer }) => layer.length), 0)
  return [
    `${explanation.name}, outermost first:`,
    ...explanation.layers.map(({ does, layer }) => `  ${layer.padEnd(width)}  ${does}`),
    `  at most ${explanation.attempts} attempts, ${show(explanation.worstCaseMillis)} in the worst case` +
      ` (${show(explanation.unboundedMillis)} without the deadline)`,
    ...explanation.traps.flatMap(({ fix, message, rule, severity }) => [
      `  ${severity} [${rule}] ${message}`,
      `    fix: ${fix}`
    ])
  ].join("\n")
}
