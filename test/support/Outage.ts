/** Outages, played to their end in virtual time, with a timeline of what happened. */
import { FaultInjection, type FaultPlan, Timeline, VirtualTime } from "@effect-resilience/chaos"
import { Outcome } from "@effect-resilience/core"
import { Clock, Duration, Effect, type Exit, type Scope } from "effect"
import { Dependency, Unavailable } from "./Dependency.js"

/** What an outage came to, and its timeline. */
export interface Played<A> {
  readonly value: A
  /** What happened, as lines of a table, without the single faults: when they began and ended is noted. */
  readonly timeline: ReadonlyArray<string>
}

/** How a timeline is told. */
export interface PlayedOptions extends Timeline.TableOptions {
  /** Which rows to tell, where all would be too many. Default: all. */
  readonly keep?: (row: Timeline.Row) => boolean
}

/** Plays an outage to its end. */
export const played = <A, E>(outage: Effect.Effect<A, E, Scope.Scope>, options: PlayedOptions = {}) =>
  Effect.flatMap(VirtualTime.run(Timeline.record(Effect.scoped(outage)), { seed: 1 }), ([exit, rows]) => {
    const told = rows.filter((row) => row.event !== "FaultInjected" && (options.keep?.(row) ?? true))
    return Effect.map(exit, (value): Played<A> => ({ value, timeline: Timeline.table(told, options).split("\n") }))
  })

const noted = (name: string, { duration, faults }: FaultPlan.Phase): Effect.Effect<void> =>
  Effect.zipRight(
    Timeline.note(name, faults.length === 0 ? "is well" : faults.map(({ kind }) => kind).join(", ")),
    duration === undefined ? Effect.void : Effect.sleep(duration)
  )

/** Notes when each phase of a plan begins. */
const announced = (name: string, { phases }: FaultPlan.FaultPlan) => {
  const last = phases.at(-1)?.duration === undefined ? Effect.void : Timeline.note(name, "is well")
  return Effect.forkScoped(
    Effect.zipRight(
      Effect.forEach(phases, (phase) => noted(name, phase)),
      last
    )
  )
}

/** A dependency that does its work as a plan lets it: what it was asked is counted, whether it answered or not. */
export const faulty = <A, E>(name: string, plan: FaultPlan.FaultPlan, work: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const dependency = new Dependency()
    const errors = { Unavailable: () => new Unavailable({}) }
    const answer = yield* FaultInjection.inject(work, plan, { name, errors })
    yield* announced(`${name} service`, plan)
    return { dependency, call: dependency.ask(answer) }
  })

/** A request, how it ended, and how long its caller waited for that, in milliseconds. */
export interface Request {
  readonly at: number
  readonly took: number
  readonly end: string
}

/** Sees a request to its end. */
export const request = <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<Request, never, R> =>
  Effect.gen(function* () {
    const at = yield* Clock.currentTimeMillis
    const exit: Exit.Exit<A, E> = yield* Effect.exit(call)
    return { at, took: (yield* Clock.currentTimeMillis) - at, end: Outcome.exitTag(exit) }
  })

/** So many requests, one after each span, whether those before have ended or not. */
export const requests = <A, E, R>(
  count: number,
  every: Duration.DurationInput,
  call: (n: number) => Effect.Effect<A, E, R>
): Effect.Effect<ReadonlyArray<Request>, never, R> =>
  Effect.forEach(
    Array.from({ length: count }, (_, n) => n),
    (n) => Effect.zipRight(Effect.sleep(Duration.times(every, n)), request(call(n))),
    { concurrency: "unbounded" }
  )

/** How many there are of each. */
export const tally = (of: ReadonlyArray<string>): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const each of of) counts[each] = (counts[each] ?? 0) + 1
  return counts
}

/** How the requests ended. */
export const endings = (all: ReadonlyArray<Request>) => tally(all.map(({ end }) => end))

/** How long the most patient caller waited, in milliseconds. */
export const longest = (all: ReadonlyArray<Request>): number => Math.max(...all.map(({ took }) => took))
