/**
 * Says what a standard policy does, before it does it: its layers in order, its worst case, and every trap in it.
 */
import { Either } from "effect"
import { also, atLeast, every, integer, InvalidOptions, valid } from "../InvalidOptions.js"
import * as Budget from "./Budget.js"
import * as Opening from "./Opening.js"
import { budgetConfig, loose, type Settings, type StandardOptions } from "./Options.js"
import { find, type Surroundings, type Trap } from "./Traps.js"
import {
  budgetText,
  concurrencyText,
  counted,
  hedgeText,
  lineText,
  rateLimitText,
  ruleText,
  seconds,
  span
} from "./Wording.js"

/** One layer of the composition. */
export interface Layer {
  readonly layer:
    | "deadline"
    | "bulkhead"
    | "circuit breaker"
    | "retry"
    | "retry budget"
    | "hedge"
    | "throttle"
    | "rate limit"
    | "adaptive limit"
    | "timeout"
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
  /** Whether the waits are in these numbers; a schedule that is not of `Backoff` does not tell how long its are. */
  readonly waitsKnown: boolean
  /** What to expect of a call while the dependency hangs: every attempt times out, every wait is the mean. */
  readonly expected: Budget.ExpectedCase
  /** How many retries there may be. */
  readonly retries: number
  /** How many retries fit the deadline in the worst case; -1 if not even the first attempt does. */
  readonly retriesThatFit: number
  /** How long the circuit takes to open once the dependency hangs; needs `callsPerSecond`, and a circuit. */
  readonly timeToOpen: Opening.TimeToOpen | undefined
  readonly traps: ReadonlyArray<Trap>
}

const tripText = ({ machine: { tripPolicy } }: NonNullable<Settings["circuit"]>): string =>
  tripPolicy._tag === "Any" ? tripPolicy.rules.map(ruleText).join(", or ") : ruleText(tripPolicy)

const openText = ({ openings }: NonNullable<Settings["circuit"]>): string => {
  if (openings._tag === "Scheduled") return "as long as its schedule says"
  const [first, second = first, ...later] = openings.lengths
  if (openings.lengths.every((millis) => millis === first)) return span(first)
  const last = later.at(-1) ?? second
  return `${span(first)} at first, then ${span(second)}${last === second ? "" : `, in the end ${span(last)}`}`
}

/** Whether hedges are paid from what retries are paid from. */
const sharesBudget = (hedge: Settings["hedge"]): boolean => hedge !== undefined && !hedge.isBudgetGiven

const layers = (
  { bulkhead, circuit, concurrency, deadlineMillis, hedge, rateLimit, retry, throttle, timeoutMillis }: Settings,
  budget: ReturnType<typeof budgetConfig>
): ReadonlyArray<Layer> => [
  ...(deadlineMillis === Infinity ? [] : [{ layer: "deadline" as const, does: `${span(deadlineMillis)} in all` }]),
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
          does: `opens after ${tripText(circuit)}, for ${openText(circuit)}`
        }
      ]),
  ...(retry === undefined
    ? []
    : [{ layer: "retry" as const, does: `${retry.maxRetries} retries of what is transient` }]),
  ...((retry === undefined && !sharesBudget(hedge)) || budget === undefined
    ? []
    : [{ layer: "retry budget" as const, does: budgetText(budget) }]),
  ...(hedge === undefined ? [] : [{ layer: "hedge" as const, does: hedgeText(hedge) }]),
  ...(throttle === undefined
    ? []
    : [{ layer: "throttle" as const, does: `sends ${throttle.k} for each that is accepted` }]),
  ...(rateLimit === undefined ? [] : [{ layer: "rate limit" as const, does: rateLimitText(rateLimit) }]),
  ...(concurrency === undefined ? [] : [{ layer: "adaptive limit" as const, does: concurrencyText(concurrency) }]),
  ...(timeoutMillis === Infinity ? [] : [{ layer: "timeout" as const, does: `${span(timeoutMillis)} an attempt` }])
]

const checkedPool = ({ pool }: StandardOptions) =>
  pool === undefined ? valid(undefined) : integer("pool.size", pool.size, 1)

const subject = (name: string, options: StandardOptions): Budget.Subject => {
  const checked = every<{ settings: Settings; pool: number | undefined }>({
    settings: loose(options),
    pool: checkedPool(options)
  })
  const { settings } = Either.getOrThrowWith(checked, (problems) => new InvalidOptions({ policy: name, problems }))
  return { name, options, settings }
}

/** What `surroundings` says in numbers. */
const demanded = (name: string, { callsPerSecond, outerRetries }: Surroundings): void => {
  const rate = callsPerSecond ?? 1
  const checked = every<{ rate: number; outerRetries: number }>({
    rate: also(
      atLeast("callsPerSecond", rate, 0),
      () => rate > 0,
      () => ({ option: "callsPerSecond", value: "0", allowed: "a number above 0" })
    ),
    outerRetries: integer("outerRetries", outerRetries ?? 0, 0)
  })
  Either.getOrThrowWith(checked, (problems) => new InvalidOptions({ policy: name, problems }))
}

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
  demanded(name, surroundings)
  const about = subject(name, options)
  const { settings } = about
  const sharers = (surroundings.beside ?? []).map((other) => subject(other.name, other.options))
  const unboundedMillis = Budget.worstCaseMillis(about)
  return {
    name,
    layers: layers(settings, budgetConfig(settings)),
    attempts: ((settings.retry?.maxRetries ?? 0) + 1) * Budget.copiesOf(settings),
    worstCaseMillis: Math.min(unboundedMillis, settings.deadlineMillis),
    unboundedMillis,
    waitsKnown: Budget.waitsKnown(about),
    expected: Budget.expectedCase(about),
    retries: settings.retry?.maxRetries ?? 0,
    retriesThatFit: Budget.fittingRetries(about),
    timeToOpen:
      surroundings.callsPerSecond === undefined ? undefined : Opening.timeToOpen(about, surroundings.callsPerSecond),
    traps: find(about, sharers, surroundings)
  }
}

type Row = readonly [label: string, text: string]

const worstText = ({ unboundedMillis, waitsKnown, worstCaseMillis }: Explanation): string => {
  const all = `${seconds(unboundedMillis)}${waitsKnown ? "" : ", and the waits, which the schedule does not tell"}`
  return worstCaseMillis < unboundedMillis ? `${seconds(worstCaseMillis)}, by the deadline; without it ${all}` : all
}

const fitText = ({ retries, retriesThatFit }: Explanation): string =>
  retriesThatFit < 0 ? "none, not even the first attempt" : `${retriesThatFit} of ${retries}`

const openedAfter = (millis: number, because: string | undefined): string =>
  because === undefined ? seconds(millis) : `never: ${because}`

const openRows = ({ callsPerSecond, millis, rules }: Opening.TimeToOpen): ReadonlyArray<Row> => {
  const all = `at ${counted(callsPerSecond, "call")} a second that all time out`
  const [only, ...others] = rules
  return others.length === 0
    ? [["time to open", `${openedAfter(millis, only?.because)} (${all})`]]
    : [
        ["time to open", `${millis === Infinity ? "never" : seconds(millis)} (${all})`],
        ...rules.map((each): Row => ["", `${each.rule}: ${openedAfter(each.millis, each.because)}`])
      ]
}

const numberRows = (explanation: Explanation): ReadonlyArray<Row> => {
  const { attempts, expected, retries, timeToOpen } = explanation
  const asked = counted(expected.attempts, "attempt")
  return [
    ["attempts", `at most ${attempts}`],
    ["worst case", worstText(explanation)],
    ["expected case", `${seconds(expected.millis)}, ${asked} (all time out, waits are the mean)`],
    ...(retries === 0 ? [] : [["retries that fit", fitText(explanation)] as const]),
    ...(timeToOpen === undefined ? [] : openRows(timeToOpen))
  ]
}

const trapRows = (traps: ReadonlyArray<Trap>): ReadonlyArray<Row> =>
  traps.flatMap(({ fix, message, rule, severity }): ReadonlyArray<Row> => [
    [`${severity}: ${rule}`, message],
    ["", `fix: ${fix}`]
  ])

/**
 * An explanation as a table: the layers, the numbers, and each trap with its fix.
 *
 * @example
 * ```ts
 * import { Policy } from "@effect-resilience/core"
 *
 * const options = { deadline: "5 seconds", timeout: "2 seconds", retry: "none" } as const
 * console.log(Policy.format(Policy.explain("payment", options, { callsPerSecond: 20 })))
 * ```
 */
export const format = (explanation: Explanation): string => {
  const sections: ReadonlyArray<readonly [title: string, rows: ReadonlyArray<Row>]> = [
    [`${explanation.name}, outermost first`, explanation.layers.map(({ does, layer }) => [layer, does])],
    ["in numbers", numberRows(explanation)],
    ["traps", explanation.traps.length === 0 ? [["none", ""]] : trapRows(explanation.traps)]
  ]
  const width = Math.max(...sections.flatMap(([, rows]) => rows.map(([label]) => label.length)))
  return sections
    .flatMap(([title, rows]) => [title, ...rows.map(([label, text]) => `  ${label.padEnd(width)}  ${text}`.trimEnd())])
    .join("\n")
}
