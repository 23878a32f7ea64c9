/**
 * How chaos is set up, where it is refused, and what the settings alone make go wrong.
 */
import { Data, type Duration } from "effect"
import { InvalidOptions } from "@effect-resilience/core"
import * as FaultPlan from "../FaultPlan.js"

/** The longest that faults are injected without being asked for again: an hour. */
export const longestMillis = 3_600_000

/** How chaos is set up. */
export interface Options {
  /** Whether there is any. Default false: every service is the very same object as without chaos. */
  readonly enabled?: boolean | undefined
  /** What the process is run as, `NODE_ENV`: `development`, `test` or `staging`. Default `production`. */
  readonly environment?: string | undefined
  /** Whether it may start anywhere else. Default false. */
  readonly allowProduction?: boolean | undefined
  /** The services that may be hit, by the names of their Layers. Default all. */
  readonly services?: ReadonlyArray<string> | undefined
  /** The share of calls that fail from the start, in each service that says how. From 0 to 1; default 0. */
  readonly failureRate?: number | undefined
  /** By how much every call is late from the start. From 0; default 0. */
  readonly latency?: Duration.DurationInput | undefined
  /** For how long faults may be injected at all. From 0 to 1 hour; by default each plan for as long as it was started. */
  readonly for?: Duration.DurationInput | undefined
}

/** Options that were checked. */
export interface Settings {
  readonly failureRate: number
  readonly latencyMillis: number
  /** For how long from now on; Infinity if there is no such limit. */
  readonly leftMillis: number
}

/** Chaos is not allowed here: the process does not say that it is run for development, a test, or staging. */
export class ChaosRefused extends Data.TaggedError("ChaosRefused")<{ readonly environment: string | undefined }> {
  override get message(): string {
    const found = this.environment === undefined ? "NODE_ENV is not set" : `NODE_ENV is "${this.environment}"`
    return `chaos does not start where ${found}: set it to development, test or staging, or allow production explicitly`
  }
}

const harmless: ReadonlyArray<string | undefined> = ["development", "test", "staging"]

/** Whether chaos may start. */
export const isAllowed = (options: Options): boolean =>
  options.allowProduction === true || harmless.includes(options.environment)

/** A span of time from `min` to an hour. */
export const upToAnHour = (
  option: string,
  value: Duration.DurationInput,
  min: number
): InvalidOptions.Checked<number> =>
  InvalidOptions.also(
    InvalidOptions.span(option, value, min),
    (millis) => millis <= longestMillis,
    (millis) => ({ option, value: `${millis} ms`, allowed: "at most an hour" })
  )

/** Checks each option. */
export const settings = (options: Options): InvalidOptions.Checked<Settings> =>
  InvalidOptions.every<Settings>({
    failureRate: InvalidOptions.fraction("failureRate", options.failureRate ?? 0, "0 included"),
    latencyMillis: InvalidOptions.span("latency", options.latency ?? 0, 0),
    leftMillis: options.for === undefined ? InvalidOptions.valid(Infinity) : upToAnHour("for", options.for, 0)
  })

/** The plan that the settings alone make; nothing if nothing goes wrong. `fails`: whether the service says how it fails. */
export const planOf = ({ failureRate, latencyMillis }: Settings, fails: boolean): FaultPlan.FaultPlan | undefined => {
  const faults: ReadonlyArray<FaultPlan.Fault> = [
    ...(latencyMillis > 0 ? [FaultPlan.latency(latencyMillis)] : []),
    ...(failureRate > 0 && fails ? [FaultPlan.fault("failure", { rate: failureRate })] : [])
  ]
  return faults.length === 0 ? undefined : FaultPlan.make(...faults)
}
