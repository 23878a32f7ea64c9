/**
 * What goes wrong with a dependency, when and how often, as data: written in a program or read from a JSON file, and played
 * by `FaultInjection`.
 *
 * Each call asks every fault of the phase in force, in their order. Latencies that hit it add up; the first fault of another
 * kind that hits ends the matter, and those after it are neither asked nor counted. Time is that of the `Clock`, counted from when
 * the plan was started, so a plan runs in virtual time as it does in real time.
 *
 * The same plan, seed and calls in the same order at the same times give the same faults: chance is the plan's own and
 * nothing else draws from it. Calls that arrive in another order draw other numbers. Nothing is promised of the share that is
 * hit among few calls: it nears `rate` as calls become many.
 *
 * Options are checked where a plan is used, or read from JSON; a constructor does not refuse any.
 */
import type { Duration } from "effect"
import type {
  Aim,
  DefectFault,
  ErrorFault,
  Fault,
  FaultPlan,
  HangFault,
  InterruptFault,
  LatencyFault,
  LostReplyFault,
  OutcomeFault,
  Phase,
  Span
} from "./plan/Model.js"
import { normal } from "./plan/Time.js"

export type * from "./plan/Model.js"
export { decide, type Hit, initial, type State } from "./plan/Decision.js"
export { fromJson, type PlanJson, schema, toJson } from "./plan/Json.js"
export { check, type Part, type Setting, type Settings } from "./plan/Settings.js"

/**
 * A plan whose faults are in force from its start to its end.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "@effect-resilience/chaos"
 *
 * const plan = FaultPlan.make(
 *   FaultPlan.latency("3 seconds", { rate: 0.2 }),
 *   FaultPlan.fault("Unavailable", { from: "1 minute", until: "2 minutes" })
 * )
 * console.log(plan.phases.length)
 * ```
 */
export const make = <F extends ReadonlyArray<Fault>>(...faults: F): FaultPlan<F[number]> => ({ phases: [{ faults }] })

/**
 * A plan of phases, one after the other. Each lasts as long as it says, from its first moment up to, but not including, its
 * last; all but the last must say so.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "@effect-resilience/chaos"
 *
 * const outage = FaultPlan.phases(
 *   FaultPlan.phase("2 minutes"),
 *   FaultPlan.phase("3 minutes", FaultPlan.latency("5 seconds")),
 *   FaultPlan.phase("1 minute", FaultPlan.fault("Refused")),
 *   FaultPlan.phase("forever")
 * )
 * console.log(outage.phases.length)
 * ```
 */
export const phases = <P extends ReadonlyArray<Phase>>(...parts: P): FaultPlan<P[number]["faults"][number]> => ({
  phases: parts
})

/**
 * A phase of a plan: its faults, and for how long they are in force. Without faults all is normal.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "@effect-resilience/chaos"
 *
 * console.log(FaultPlan.phase("1 minute", FaultPlan.hang()).duration)
 * // 60000
 * ```
 */
export const phase = <F extends ReadonlyArray<Fault>>(
  duration: Duration.DurationInput | "forever",
  ...faults: F
): Phase<F[number]> => (duration === "forever" ? { faults } : { duration: normal(duration), faults })

/** An aim may be given with undefined members, as options elsewhere; a plan, which can be JSON, has none. */
type AimOptions<M extends string, W extends string> = { readonly [K in keyof Aim]: Aim<M, W>[K] | undefined }

const aimed = <M extends string, W extends string>({
  from,
  methods,
  rate,
  times,
  until,
  when
}: AimOptions<M, W>): Aim<M, W> => ({
  ...(rate === undefined ? {} : { rate }),
  ...(methods === undefined ? {} : { methods }),
  ...(when === undefined ? {} : { when }),
  ...(from === undefined ? {} : { from: normal(from) }),
  ...(until === undefined ? {} : { until: normal(until) }),
  ...(times === undefined ? {} : { times })
})

/**
 * The call fails with the error of this name, which the options of `FaultInjection` give, and does not reach the service.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "@effect-resilience/chaos"
 *
 * console.log(FaultPlan.fault("Refused", { rate: 0.3, methods: ["charge"] }))
 * // { kind: 'fault', error: 'Refused', rate: 0.3, methods: [ 'charge' ] }
 * ```
 */
export const fault = <const N extends string, const M extends string = string, const W extends string = never>(
  error: N,
  aim: AimOptions<M, W> = {}
): ErrorFault<N, M, W> => ({ kind: "fault", error, ...aimed(aim) })

/**
 * The call dies with `FaultInjection.InjectedDefect`, and does not reach the service.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "@effect-resilience/chaos"
 *
 * console.log(FaultPlan.defect({ rate: 0.01 }))
 * // { kind: 'defect', rate: 0.01 }
 * ```
 */
export const defect = <const M extends string = string, const W extends string = never>(
  aim: AimOptions<M, W> = {}
): DefectFault<M, W> => ({ kind: "defect", ...aimed(aim) })

/**
 * The call reaches the service later, by a fixed span or one that is drawn for each call: see `uniform`, `lognormal` and
 * `quantiles`. From 0 to 24.8 days. Interrupted before that, it does not reach it.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "@effect-resilience/chaos"
 *
 * console.log(FaultPlan.latency("5 seconds", { from: "2 minutes", until: "5 minutes" }))
 * // { kind: 'latency', latency: 5000, from: 120000, until: 300000 }
 * ```
 */
export const latency = <const M extends string = string, const W extends string = never>(
  span: Span,
  aim: AimOptions<M, W> = {}
): LatencyFault<M, W> => ({ kind: "latency", latency: isDrawn(span) ? span : normal(span), ...aimed(aim) })

const isDrawn = (span: Span): span is Exclude<Span, Duration.DurationInput> =>
  typeof span === "object" && ("uniform" in span || "lognormal" in span || "quantiles" in span)

/**
 * A latency that is anything between two spans, both included, with the same chance.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "@effect-resilience/chaos"
 *
 * console.log(FaultPlan.latency(FaultPlan.uniform("1 second", "3 seconds")).latency)
 * // { uniform: [ 1000, 3000 ] }
 * ```
 */
export const uniform = (from: Duration.DurationInput, to: Duration.DurationInput): Span => ({
  uniform: [normal(from), normal(to)]
})

/**
 * A latency with the long tail that real ones have: half of the calls are faster than `median`, 99 % faster than `p99`.
 * Never more than 24.8 days.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "@effect-resilience/chaos"
 *
 * console.log(FaultPlan.latency(FaultPlan.lognormal({ median: "80 millis", p99: "2 seconds" })).latency)
 * // { lognormal: { median: 80, p99: 2000 } }
 * ```
 */
export const lognormal = (options: {
  readonly median: Duration.DurationInput
  readonly p99: Duration.DurationInput
}): Span => ({ lognormal: { median: normal(options.median), p99: normal(options.p99) } })

/**
 * A latency as it was measured: `[0.5, "80 millis"]` says that half of the calls took at most 80 ms. Between two rows on the
 * straight line; below the first row its span, above the last row its span. Quantiles from 0 to 1 and rising, spans not falling.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "@effect-resilience/chaos"
 *
 * const measured = FaultPlan.quantiles([[0, "20 millis"], [0.5, "80 millis"], [0.99, "2 seconds"], [1, "9 seconds"]])
 * console.log(FaultPlan.latency(measured).kind)
 * ```
 */
export const quantiles = (rows: ReadonlyArray<readonly [quantile: number, span: Duration.DurationInput]>): Span => ({
  quantiles: rows.map(([quantile, span]) => [quantile, normal(span)])
})

/**
 * The call gives the result of this name, which the options of `FaultInjection` give, and does not reach the service.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "@effect-resilience/chaos"
 *
 * console.log(FaultPlan.outcome("NothingFound", { methods: ["find"] }))
 * // { kind: 'outcome', outcome: 'NothingFound', methods: [ 'find' ] }
 * ```
 */
export const outcome = <const N extends string, const M extends string = string, const W extends string = never>(
  name: N,
  aim: AimOptions<M, W> = {}
): OutcomeFault<N, M, W> => ({ kind: "outcome", outcome: name, ...aimed(aim) })

/**
 * The call never answers, and does not reach the service.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "@effect-resilience/chaos"
 *
 * console.log(FaultPlan.hang({ times: 1 }))
 * // { kind: 'hang', times: 1 }
 * ```
 */
export const hang = <const M extends string = string, const W extends string = never>(
  aim: AimOptions<M, W> = {}
): HangFault<M, W> => ({ kind: "hang", ...aimed(aim) })

/**
 * The call ends as one that was interrupted, and does not reach the service. Its caller is not interrupted.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "@effect-resilience/chaos"
 *
 * console.log(FaultPlan.interrupt({ rate: 0.5 }))
 * // { kind: 'interrupt', rate: 0.5 }
 * ```
 */
export const interrupt = <const M extends string = string, const W extends string = never>(
  aim: AimOptions<M, W> = {}
): InterruptFault<M, W> => ({ kind: "interrupt", ...aimed(aim) })

/**
 * The service does what it was asked to, and its reply is lost: was it charged? The caller sees the error of this name, or
 * with `"nothing"` never an answer. Interrupted while the service works, the work is interrupted as it is without the fault.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "@effect-resilience/chaos"
 *
 * console.log(FaultPlan.lostReply("ConnectionReset", { times: 1 }))
 * // { kind: 'lostReply', error: 'ConnectionReset', times: 1 }
 * ```
 */
export function lostReply<const M extends string = string, const W extends string = never>(
  seen: "nothing",
  aim?: AimOptions<M, W>
): LostReplyFault<never, M, W>
export function lostReply<const N extends string, const M extends string = string, const W extends string = never>(
  seen: N,
  aim?: AimOptions<M, W>
): LostReplyFault<N, M, W>
export function lostReply(seen: string, aim: AimOptions<string, string> = {}): LostReplyFault {
  return { kind: "lostReply", ...(seen === "nothing" ? {} : { error: seen }), ...aimed(aim) }
}
