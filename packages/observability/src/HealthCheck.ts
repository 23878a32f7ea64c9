/**
 * A check of the program's own, run again and again in the background, so that whoever asks is told the last result at
 * once. Nobody's deadline reaches it, and it is never asked twice at a time: one that cannot be interrupted is failing
 * until it ends.
 */
import { Deadline, InvalidOptions, Outcome } from "@effect-resilience/core"
import { Clock, Duration, Effect, Exit, Fiber, MutableRef, Option, type Scope } from "effect"
import type { CheckReport } from "./HealthReport.js"

/** How a check is run. */
export interface CheckOptions {
  /** How long a run may take; then it is failing. From 1 ms; default 1 second. */
  readonly timeout?: Duration.DurationInput | undefined
  /** From the end of a run to the beginning of the next. From 1 ms; default 10 seconds. */
  readonly interval?: Duration.DurationInput | undefined
}

/** A check: it passes when its effect succeeds. */
export interface Check<out R = never> {
  readonly name: string
  readonly effect: Effect.Effect<unknown, unknown, R>
  readonly options: CheckOptions
}

interface Settings {
  readonly timeoutMillis: number
  readonly intervalMillis: number
}

const settings = ({ interval = "10 seconds", timeout = "1 second" }: CheckOptions): InvalidOptions.Checked<Settings> =>
  InvalidOptions.every<Settings>({
    timeoutMillis: InvalidOptions.span("timeout", timeout),
    intervalMillis: InvalidOptions.span("interval", interval)
  })

const outputOf = (
  result: Option.Option<Exit.Exit<unknown, unknown>>,
  timeoutMillis: number
): Pick<CheckReport, "output"> => {
  if (Option.isNone(result)) return { output: `no answer within ${timeoutMillis} ms` }
  return Exit.isSuccess(result.value) ? {} : { output: Outcome.exitTag(result.value) }
}

/** Until the first run has ended nothing is known, and nobody is sent to a program that may not work. */
const unknown: CheckReport = { status: "fail", output: "no result yet" }

/** Runs the check while the scope lives. Gives its last result. Dies with `InvalidOptions` if an option is out of range. */
export const start = <R>(check: Check<R>): Effect.Effect<Effect.Effect<CheckReport>, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const { intervalMillis, timeoutMillis } = yield* InvalidOptions.orDie(check.name, settings(check.options))
    const last = MutableRef.make(unknown)

    const record = (result: Option.Option<Exit.Exit<unknown, unknown>>) =>
      Effect.map(Clock.currentTimeMillis, (millis) => {
        const status = Option.isSome(result) && Exit.isSuccess(result.value) ? "pass" : "fail"
        MutableRef.set(last, { status, ...outputOf(result, timeoutMillis), time: new Date(millis).toISOString() })
      })

    // A daemon: a child that cannot be interrupted would be waited for where the program ends.
    const once = Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkDaemon(Effect.interruptible(check.effect)), (run) =>
        restore(
          Fiber.await(run).pipe(
            Effect.timeoutOption(Duration.millis(timeoutMillis)),
            Effect.tap(record),
            Effect.zipRight(Fiber.interrupt(run))
          )
        ).pipe(Effect.onInterrupt(() => Fiber.interruptFork(run)))
      )
    )

    yield* once.pipe(
      Effect.zipRight(Effect.sleep(Duration.millis(intervalMillis))),
      Effect.forever,
      Deadline.detached,
      Effect.interruptible,
      Effect.forkScoped
    )
    return Effect.sync(() => MutableRef.get(last))
  })
