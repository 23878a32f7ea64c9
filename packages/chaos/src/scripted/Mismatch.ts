/**
 * What a script expected beside what arrived.
 */
import { Data, Equal, Inspectable, Utils } from "effect"
import { aligned } from "../Table.js"
import { type AnyStep, layersOf, wordsOf } from "./Step.js"

/** A call as it arrived, and what has become of it. */
export interface Arrived<out Args = ReadonlyArray<unknown>> {
  readonly method: string
  /** Which call of its method it is, from 1. */
  readonly number: number
  readonly args: Args
  /** When it arrived, in monotonic milliseconds. */
  readonly at: number
  /** How it ended; `unexpected`: the script had no such call. */
  readonly ended: "running" | "succeeded" | "failed" | "died" | "interrupted" | "unexpected"
}

/** What a script says of one method. */
export interface MethodScript {
  readonly steps: ReadonlyArray<AnyStep>
  /** What every further call does. */
  readonly rest: AnyStep | undefined
}

/** One line of the comparison. */
export interface Row {
  readonly method: string
  readonly number: number
  /** What was expected, or that nothing was. */
  readonly expected: string
  /** What arrived, or that nothing did. */
  readonly arrived: string
  readonly matches: boolean
}

/** Other calls arrived than the script of a service expected: `rows` has all of both, call by call. */
export class ScriptMismatch extends Data.TaggedError("ScriptMismatch")<{
  readonly service: string
  readonly rows: ReadonlyArray<Row>
}> {
  override get message(): string {
    const wrong = this.rows.filter((row) => !row.matches).length
    const cells = this.rows.map((row) => [
      row.matches ? " " : ">",
      `${row.method} #${row.number}`,
      row.expected,
      row.arrived
    ])
    return [
      `"${this.service}" was called otherwise than its script says, in ${wrong} of ${this.rows.length} calls:`,
      ...aligned([[" ", "call", "expected", "arrived"], ...cells])
    ].join("\n")
  }
}

/** The longest that arguments are printed. */
const maxLength = 80

const printed = (args: ReadonlyArray<unknown>): string => {
  const text = args.map((arg) => Inspectable.toStringUnknown(arg, 0)).join(", ")
  return `(${text.length > maxLength ? `${text.slice(0, maxLength)}...` : text})`
}

const expectedArgs = (step: AnyStep): ReadonlyArray<ReadonlyArray<unknown>> =>
  layersOf(step).flatMap((each) => (each._tag === "Expecting" ? [each.args] : []))

/** Whether a step is for a call with these arguments. */
export const isFor = (step: AnyStep, args: ReadonlyArray<unknown>): boolean =>
  expectedArgs(step).every((expected) => Utils.structuralRegion(() => Equal.equals(expected, args)))

/** The step of the nth call of a method, from 1. */
export const stepOf = ({ rest, steps }: MethodScript, number: number): AnyStep | undefined => steps[number - 1] ?? rest

const expectation = (step: AnyStep | undefined): string =>
  step === undefined ? "no call" : `${expectedArgs(step).map(printed).join(" and ")} ${wordsOf(step)}`.trimStart()

const rowsOf = (method: string, script: MethodScript, calls: ReadonlyArray<Arrived>): ReadonlyArray<Row> =>
  Array.from({ length: Math.max(script.steps.length, calls.length) }, (_, index) => {
    const call = calls[index]
    return {
      method,
      number: index + 1,
      expected: expectation(stepOf(script, index + 1)),
      arrived: call === undefined ? "no call" : `${printed(call.args)} at ${call.at} ms, ${call.ended}`,
      matches: call !== undefined && call.ended !== "unexpected"
    }
  })

/** Every call that was expected or arrived, method by method. */
export const compare = (
  scripts: ReadonlyMap<string, MethodScript>,
  calls: ReadonlyArray<Arrived>
): ReadonlyArray<Row> => {
  const methods = new Set([...scripts.keys(), ...calls.map(({ method }) => method)])
  return [...methods].flatMap((method) =>
    rowsOf(
      method,
      scripts.get(method) ?? { steps: [], rest: undefined },
      calls.filter((call) => call.method === method)
    )
  )
}
