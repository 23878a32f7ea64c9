/**
 * A plan that was checked, in numbers: what is asked of every call.
 */
import { InvalidOptions } from "@effect-resilience/core"
import { Array, Either } from "effect"
import * as Latency from "./Latency.js"
import type { Fault, FaultPlan, Phase } from "./Model.js"

const { also, all, every, fraction, integer, map, span, valid } = InvalidOptions

type Checked<A> = InvalidOptions.Checked<A>

/** A fault that was checked. */
export interface Setting {
  /** Its place among all faults of the plan, from 0. */
  readonly index: number
  /** Where it stands, for messages: `phases[0].faults[1].`. */
  readonly path: string
  readonly fault: Fault
  readonly rate: number
  readonly methods: ReadonlySet<string> | undefined
  /** From the start of the plan, included. */
  readonly fromMillis: number
  /** From the start of the plan, excluded; Infinity for never. */
  readonly untilMillis: number
  readonly times: number
  readonly latency: Latency.Latency | undefined
}

/** A phase that was checked; from `startMillis`, included, to `endMillis`, excluded. */
export interface Part {
  readonly startMillis: number
  readonly endMillis: number
  readonly settings: ReadonlyArray<Setting>
}

/** A plan that was checked. */
export interface Settings {
  readonly parts: ReadonlyArray<Part>
}

const orInfinity = (path: string, input: Phase["duration"]): Checked<number> =>
  input === undefined ? valid(Infinity) : span(path, input)

const timing = (fault: Fault, path: string): Checked<{ readonly from: number; readonly until: number }> =>
  also(
    every({
      from: fault.from === undefined ? valid(0) : span(`${path}from`, fault.from, 0),
      until: orInfinity(`${path}until`, fault.until)
    }),
    ({ from, until }) => from < until,
    ({ from, until }) => ({ option: `${path}until`, value: `${until} ms`, allowed: `later than from, ${from} ms` })
  )

const methodsOf = (path: string, methods: Fault["methods"]): Checked<ReadonlySet<string> | undefined> =>
  methods?.length === 0
    ? Either.left([{ option: `${path}methods`, value: "empty", allowed: "the names of some methods, or not given" }])
    : valid(methods === undefined ? undefined : new Set(methods))

const settingOf = (fault: Fault, index: number, path: string, start: number, end: number): Checked<Setting> =>
  map(
    every({
      rate: fraction(`${path}rate`, fault.rate ?? 1, "0 included"),
      methods: methodsOf(path, fault.methods),
      timing: timing(fault, path),
      times: fault.times === undefined ? valid(Infinity) : integer(`${path}times`, fault.times, 1),
      latency: fault.kind === "latency" ? Latency.check(`${path}latency`, fault.latency) : valid(undefined)
    }),
    ({ latency, methods, rate, times, timing: { from, until } }) => ({
      index,
      path,
      fault,
      rate,
      methods,
      fromMillis: start + from,
      untilMillis: Math.min(end, start + until),
      times,
      latency
    })
  )

/** The length of each phase; only the last one may have no end. */
const lengths = (phases: ReadonlyArray<Phase>): Checked<ReadonlyArray<number>> =>
  all(
    phases.map((phase, i) =>
      phase.duration === undefined && i < phases.length - 1
        ? Either.left([
            { option: `phases[${i}].duration`, value: "not given", allowed: "given for all phases but the last" }
          ])
        : orInfinity(`phases[${i}].duration`, phase.duration)
    )
  )

/** What stands before each of these, and after the last. */
const sums = (numbers: Iterable<number>): ReadonlyArray<number> => Array.scan(numbers, 0, (sum, next) => sum + next)

/** Checks every number of a plan by itself and those that belong together; all that is wrong is said. */
export const check = ({ phases }: FaultPlan): Checked<Settings> => {
  const checked = lengths(phases)
  const spans = Either.getOrElse(checked, () => phases.map(() => Infinity))
  const starts = sums(spans)
  const before = sums(phases.map(({ faults }) => faults.length))
  const parts = all(
    phases.map(({ faults }, i) => {
      const startMillis = starts[i] ?? 0
      const endMillis = starts[i + 1] ?? Infinity
      return map(
        all(
          faults.map((fault, k) =>
            settingOf(fault, (before[i] ?? 0) + k, `phases[${i}].faults[${k}].`, startMillis, endMillis)
          )
        ),
        (settings): Part => ({ startMillis, endMillis, settings })
      )
    })
  )
  return map(every<{ checked: ReadonlyArray<number>; parts: ReadonlyArray<Part> }>({ checked, parts }), (fine) => ({
    parts: fine.parts
  }))
}
