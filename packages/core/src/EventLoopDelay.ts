/**
 * How late the event loop is: how much longer than it asked for a timer sleeps. A loop that is late serves nobody in time,
 * whatever a limit on requests says; work that blocks it (parsing, rendering, garbage) shows nowhere else.
 *
 * Provide the Layer once, around what makes a `LoadShedder`, which reads it for each request. It samples by Effect's
 * `Clock`, on any platform, so that a test's clock, which is never late, shows 0; timers are a millisecond late at the best
 * of times.
 */
import { Quantiles as Machine } from "@effect-resilience/machines"
import { Context, type Duration, Effect, Layer } from "effect"
import { nowMillis } from "./FiberTime.js"
import * as InvalidOptions from "./InvalidOptions.js"

/** What is known of the event loop's delay, in milliseconds. */
export interface Monitor {
  /** How late it was of late: as late as at the worst sample, less by a fifth with every sample since. 0 where nobody samples. */
  readonly lateMillis: () => number
  /** Below which a share `q` (0 to 1) of the last minute's samples was; undefined where nobody samples. */
  readonly quantileMillis: (q: number) => number | undefined
}

/** The monitor of the program; one that says nothing where there is none. */
export class EventLoopDelay extends Context.Reference<EventLoopDelay>()("@effect-resilience/core/EventLoopDelay", {
  defaultValue: (): Monitor => ({ lateMillis: () => 0, quantileMillis: () => undefined })
}) {}

/** The options of the sampling. */
export interface Options {
  /** How often the loop is sampled. From 1 ms; default 20 ms. */
  readonly every?: Duration.DurationInput | undefined
}

const window: Machine.RecentConfig = { windowMillis: 60_000, slices: 6 }

/** What a sample leaves of those before it. */
const decay = 0.8

/** Learns from samples how late the loop is. */
class Samples implements Monitor {
  private late = 0
  private recent = Machine.emptyRecent

  add(millis: number, now: number): void {
    const decayed = Math.floor(this.late * decay)
    this.late = Math.max(millis, decayed)
    this.recent = Machine.addRecent(window, this.recent, millis, now)
  }

  readonly lateMillis = (): number => this.late
  readonly quantileMillis = (q: number): number | undefined => Machine.quantile(Machine.inRecent(this.recent), q)
}

/**
 * Samples the event loop while the Layer lives. Dies with `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { EventLoopDelay, LoadShedder } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const shedder = yield* LoadShedder.make("api", { maxEventLoopDelay: "50 millis" })
 *   return yield* Effect.succeed("served").pipe(shedder.protect)
 * })
 * Effect.runPromise(Effect.scoped(Effect.provide(program, EventLoopDelay.layer()))).then(console.log)
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<never> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      const everyMillis = yield* InvalidOptions.orDie(
        "event loop delay",
        InvalidOptions.span("every", options.every ?? 20)
      )
      const samples = new Samples()
      const sample = Effect.withFiberRuntime<void>((fiber) => {
        const began = nowMillis(fiber)
        return Effect.map(Effect.sleep(everyMillis), () => {
          const now = nowMillis(fiber)
          samples.add(Math.max(0, now - began - everyMillis), now)
        })
      })
      yield* Effect.forkScoped(Effect.forever(sample))
      return Context.make(EventLoopDelay, samples)
    })
  )
