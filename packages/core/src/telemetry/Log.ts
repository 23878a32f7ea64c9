/**
 * Events in the log, by Effect's loggers: a structured line for each transition of a circuit (to open: error; else info)
 * and each exhausted retry (warning). What an outage has thousands of is at debug level one by one, and summed up in one
 * line per policy and ten seconds: timeouts and rejections (warning), fallbacks (info).
 *
 * Lines are written by a fiber of the Layer's own, so no caller waits for a logger; what comes faster than that writes
 * loses the oldest, and a line says how many.
 */
import { Effect, type Layer, LogLevel, Ref, Schedule, Stream } from "effect"
import type { Event } from "./Events.js"
import { layerSink } from "./Hub.js"
import { type Line, lineOf, lineOfSum, type Sum, sumUp } from "./Line.js"
import { Ring } from "./Subscription.js"

const levels: Readonly<Record<Line["level"], LogLevel.LogLevel>> = {
  Debug: LogLevel.Debug,
  Info: LogLevel.Info,
  Warning: LogLevel.Warning,
  Error: LogLevel.Error
}

const write = ({ annotations, level, message }: Line): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logWithLevel(levels[level], message), annotations)

const seconds = 10

const none: ReadonlyMap<string, Sum> = new Map()

/**
 * Writes events to the log of the program that builds the Layer.
 *
 * @example
 * ```ts
 * import { Policy, Telemetry } from "@effect-resilience/core"
 * import { Effect, Logger } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const policy = yield* Policy.standard("search")
 *   return yield* policy.protect(Effect.succeed("found"))
 * })
 * const logged = program.pipe(Effect.provide(Telemetry.layerLog), Effect.provide(Logger.json))
 * Effect.runPromise(Effect.scoped(logged)).then(console.log)
 * ```
 */
export const layerLog: Layer.Layer<never> = layerSink(
  Effect.gen(function* () {
    const ring = new Ring(4096)
    const sums = yield* Ref.make(none)
    const told = yield* Ref.make(0)
    const hear = (event: Event) =>
      Effect.zipRight(
        Ref.update(sums, (before) => sumUp(before, event)),
        write(lineOf(event))
      )
    const sumsUp = Effect.flatMap(Ref.getAndSet(sums, none), (all) =>
      Effect.forEach(all, ([policy, sum]) => write(lineOfSum(policy, sum, seconds)), { discard: true })
    )
    const lost = Effect.gen(function* () {
      const { dropped } = ring.counts
      const before = yield* Ref.getAndSet(told, dropped)
      if (dropped > before) {
        yield* write({
          level: "Warning",
          message: `${dropped - before} events were lost: the log is slower than they come`,
          annotations: { event: "Lost", lost: dropped - before }
        })
      }
    })
    const rest = Effect.flatMap(Effect.sync(ring.drain), (events) => Effect.forEach(events, hear, { discard: true }))
    const summary = Effect.zipRight(sumsUp, lost)
    yield* Effect.addFinalizer(() => Effect.zipRight(rest, summary))
    yield* Effect.forkScoped(Stream.runForEach(ring.stream, hear))
    yield* Effect.forkScoped(Effect.repeat(Effect.delay(summary, `${seconds} seconds`), Schedule.forever))
    return { publish: ring.put }
  })
)
