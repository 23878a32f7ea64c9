/**
 * What happened in a program, as rows (when, which policy, what, and the state of its circuit), for tests that compare them
 * and for people who read them: `table` prints them, `svg` draws them. Both give the same bytes for the same rows.
 *
 * It listens to `Telemetry`, on whatever clock the program runs, and to what the program notes itself; who listened before
 * still does. The state is known of policies whose circuit changed meanwhile.
 *
 * It remembers every event: for the length of a test or an experiment, not for a service.
 */
import { Telemetry } from "@effect-resilience/core"
import { Clock, Context, Effect, type Exit } from "effect"
import { heardEvent, type Row, rowsOf } from "./timeline/Rows.js"

export { type Row } from "./timeline/Rows.js"
export { svg, type SvgOptions } from "./timeline/Svg.js"
export { table, type TableOptions } from "./timeline/Table.js"

/** Remembers what happens from its making on. */
export interface Timeline {
  /** Hears what the effect's policies report, and its notes. */
  readonly hear: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Notes something by oneself. An empty `state` (the default) leaves the policy's as it was. */
  readonly note: (policy: string, event: string, state?: string) => Effect.Effect<void>
  /** What happened until now, in the order of time. */
  readonly rows: Effect.Effect<ReadonlyArray<Row>>
}

/** The timeline that hears a program, if there is one. */
class Listening extends Context.Reference<Listening>()("@effect-resilience/chaos/Timeline", {
  defaultValue: (): Pick<Timeline, "note"> => ({ note: () => Effect.void })
}) {}

const monotonicMillis = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000_000n))

/**
 * A timeline that begins now.
 *
 * @example
 * ```ts
 * import { Timeline } from "@effect-resilience/chaos"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const timeline = yield* Timeline.make
 *   yield* timeline.hear(Timeline.note("payment", "deployed"))
 *   return Timeline.table(yield* timeline.rows)
 * })
 * Effect.runPromise(program).then((table) => console.log(table.includes("deployed")))
 * ```
 */
export const make: Effect.Effect<Timeline> = Effect.map(monotonicMillis, (beganMillis) => {
  const heard: Array<Row> = []
  const note: Timeline["note"] = (policy, event, state = "") =>
    Effect.map(monotonicMillis, (now) => {
      heard.push({ at: now - beganMillis, policy, event, from: "", state, detail: "" })
    })
  const listening = Telemetry.layer((event) => heard.push(heardEvent(event, beganMillis)))
  const hear: Timeline["hear"] = (self) =>
    self.pipe(Effect.provide(listening), Effect.provideService(Listening, { note }))
  return { hear, note, rows: Effect.sync(() => rowsOf(heard)) }
})

/**
 * Notes something in the timeline that hears the program; nothing if none does. An empty `state` (the default) leaves the
 * policy's as it was.
 */
export const note = (policy: string, event: string, state?: string): Effect.Effect<void> =>
  Effect.flatMap(Listening, (timeline) => timeline.note(policy, event, state))

/**
 * Runs a program, and gives how it ended and what happened. Never fails: how it failed is in the exit.
 *
 * @example
 * ```ts
 * import { Timeline, VirtualTime } from "@effect-resilience/chaos"
 * import { Policy } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const hangs = Effect.gen(function* () {
 *   const policy = yield* Policy.standard("payment", { retry: "none" })
 *   return yield* policy.protect(Effect.never)
 * })
 *
 * const recorded = VirtualTime.run(Timeline.record(Effect.scoped(hangs)))
 * Effect.runPromise(recorded).then(([exit, rows]) => console.log(exit._tag, Timeline.table(rows)))
 * ```
 */
export const record = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<readonly [Exit.Exit<A, E>, ReadonlyArray<Row>], never, R> =>
  Effect.flatMap(make, (timeline) => Effect.zip(Effect.exit(timeline.hear(self)), timeline.rows))
