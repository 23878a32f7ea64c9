/**
 * The options of a circuit breaker, their defaults and their checks.
 */
import { type CircuitBreaker as Machine, TripPolicy as Trip } from "@effect-resilience/machines"
import { type Duration, Effect } from "effect"
import { type Checked, every, fraction, integer, map, orDie, span, valid } from "./InvalidOptions.js"
import * as Openings from "./Openings.js"
import * as TripOptions from "./TripOptions.js"

/** How a circuit is tried out once its opening is over. */
export interface HalfOpenOptions {
  /** How many probes may be under way at a time. From 1; default 1. */
  readonly probes?: number | undefined
  /** How many probes must succeed for the circuit to close. From 1; default 1. */
  readonly successThreshold?: number | undefined
  /**
   * A probe that has not settled by then loses its place and the circuit opens again. From 1 ms; default in a
   * `Policy.standard` its deadline, else twice its attempt timeout; else the first opening.
   */
  readonly timeout?: Duration.DurationInput | undefined
}

/** When a circuit opens, for how long, and how it is tried out after. */
export interface Options {
  /** When to open. Default `rate({ threshold: 0.5, window: time("30 seconds"), minimumCalls: 20 })`. */
  readonly tripPolicy?: TripOptions.TripPolicy | undefined
  /**
   * How long it stays open before a probe is let through: always the same, by the number of openings in a row so far
   * (1, 2, ...), or as a `Schedule` says. The first 32 are settled as the breaker is made, the last of them repeats, and
   * so does the last delay of a schedule that ends. Each from 1 ms to 24.8 days: cap what grows. Default 30 seconds.
   */
  readonly openDuration?: Openings.OpenDuration | undefined
  /** Each opening is stretched or shrunk by up to this share, or a fleet probes in step. 0..1; default 0.1. */
  readonly openJitter?: number | undefined
  /** A dependency's own wish (`retryAfter`) can lengthen an opening up to this. From 1 ms; default 5 minutes. */
  readonly maxOpenDuration?: Duration.DurationInput | undefined
  /**
   * A call cut short from outside counts as a failure if the dependency had had this long, and otherwise not at all.
   * From 0 ms; default the `slowerThan` of a rule on slow calls (the shortest); else in a `Policy.standard` half its
   * attempt timeout; else 1 second.
   */
  readonly patience?: Duration.DurationInput | undefined
  readonly halfOpen?: HalfOpenOptions | undefined
}

/** Options that were checked; how long openings last may be for a schedule to tell. */
export interface Settings {
  readonly machine: Omit<Machine.Config, "openMillis" | "probeTimeoutMillis">
  readonly openings: Openings.Openings
  /** Undefined: as long as the first opening. */
  readonly probeTimeoutMillis: number | undefined
  readonly patienceMillis: number
}

/** All that a circuit is made of. */
export interface Numbers {
  readonly machine: Machine.Config
  readonly patienceMillis: number
}

/** What a circuit breaker takes from the policy that it is part of. */
export interface Defaults {
  readonly patienceMillis?: number | undefined
  readonly probeTimeoutMillis?: number | undefined
}

/** An option that was not given is for another to decide. */
const given = <A>(option: A | undefined, check: (value: A) => Checked<number>): Checked<number | undefined> =>
  option === undefined ? valid(undefined) : check(option)

/** Checks the options; `path` names them in what is said of them. */
export const settings = (options: Options, path: string, defaults: Defaults = {}): Checked<Settings> => {
  const halfOpen = options.halfOpen ?? {}
  const machine = every<Settings["machine"]>({
    tripPolicy: TripOptions.checked(options.tripPolicy ?? TripOptions.defaultRate, `${path}tripPolicy`),
    openJitter: fraction(`${path}openJitter`, options.openJitter ?? 0.1, "0 included"),
    maxOpenMillis: span(`${path}maxOpenDuration`, options.maxOpenDuration ?? "5 minutes"),
    probes: integer(`${path}halfOpen.probes`, halfOpen.probes ?? 1, 1),
    successThreshold: integer(`${path}halfOpen.successThreshold`, halfOpen.successThreshold ?? 1, 1)
  })
  const all = every<Omit<Settings, "patienceMillis"> & { readonly patienceMillis: number | undefined }>({
    machine,
    openings: Openings.checked(`${path}openDuration`, options.openDuration ?? "30 seconds"),
    probeTimeoutMillis: given(halfOpen.timeout ?? defaults.probeTimeoutMillis, (timeout) =>
      span(`${path}halfOpen.timeout`, timeout)
    ),
    patienceMillis: given(options.patience, (patience) => span(`${path}patience`, patience, 0))
  })
  return map(all, (settled) => ({
    ...settled,
    patienceMillis: settled.patienceMillis ?? patienceFor(settled.machine.tripPolicy, defaults)
  }))
}

const patienceFor = (policy: Trip.TripPolicy, { patienceMillis = 1_000 }: Defaults): number => {
  const slowerThanMillis = Trip.slowerThanMillis(policy)
  return slowerThanMillis === Infinity ? patienceMillis : slowerThanMillis
}

/** All that a circuit is made of. Dies with `InvalidOptions` if a schedule of openings says what cannot be meant. */
export const numbers = (
  policy: string,
  { machine, openings, patienceMillis, probeTimeoutMillis }: Settings
): Effect.Effect<Numbers> =>
  Effect.map(
    Effect.flatMap(Openings.settled(openings), (lengths) => orDie(policy, lengths)),
    (lengths) => ({
      machine: {
        ...machine,
        openMillis: Openings.openMillis(lengths),
        probeTimeoutMillis: probeTimeoutMillis ?? lengths[0]
      },
      patienceMillis
    })
  )
