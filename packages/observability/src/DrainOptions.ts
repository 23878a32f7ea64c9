/**
 * How long each step of a drain takes, from options and from the environment.
 */
import { InvalidOptions } from "@effect-resilience/core"
import { Config, ConfigError, type Duration, Either } from "effect"

/** How long each step takes. */
export interface Options {
  /**
   * How long requests are still served after the drain has begun, readiness being 503 and answers saying
   * `Connection: close`: as long as whoever sends requests takes to notice. From 0; default 5 seconds.
   */
  readonly preStopDelay?: Duration.DurationInput | undefined
  /** How long, after that, what is in flight is waited for. From 0; default 20 seconds. */
  readonly gracefulShutdownTimeout?: Duration.DurationInput | undefined
  /** What a request that comes too late is told to wait, in whole seconds. From 1 ms; default 1 second. */
  readonly retryAfter?: Duration.DurationInput | undefined
}

/** Options that were checked. */
export interface Settings {
  readonly preStopMillis: number
  readonly gracefulMillis: number
  readonly retryAfterMillis: number
}

const preStop = (value: unknown, name = "preStopDelay") => InvalidOptions.span(name, value, 0)
const graceful = (value: unknown, name = "gracefulShutdownTimeout") => InvalidOptions.span(name, value, 0)
const defaults = { preStopDelay: "5 seconds", gracefulShutdownTimeout: "20 seconds", retryAfter: "1 second" } as const

/** What the options say, or all that is wrong with them. */
export const settings = (options: Options): InvalidOptions.Checked<Settings> =>
  InvalidOptions.every<Settings>({
    preStopMillis: preStop(options.preStopDelay ?? defaults.preStopDelay),
    gracefulMillis: graceful(options.gracefulShutdownTimeout ?? defaults.gracefulShutdownTimeout),
    retryAfterMillis: InvalidOptions.span("retryAfter", options.retryAfter ?? defaults.retryAfter)
  })

const variable = (name: string, read: (value: unknown, name: string) => InvalidOptions.Checked<number>) =>
  Config.string(name).pipe(
    Config.mapOrFail((text) =>
      Either.mapLeft(read(text.trim(), name), (problems) =>
        ConfigError.InvalidData(
          [name],
          problems.map(({ allowed, value }) => `is ${value}, but must be ${allowed}`).join("; ")
        )
      )
    )
  )

/** The options with what `DRAIN_PRE_STOP_DELAY` and `DRAIN_TIMEOUT` say instead. */
export const fromEnvironment = (options: Options): Config.Config<Options> =>
  Config.map(
    Config.all({
      preStopDelay: Config.option(variable("DRAIN_PRE_STOP_DELAY", preStop)),
      gracefulShutdownTimeout: Config.option(variable("DRAIN_TIMEOUT", graceful))
    }),
    ({ gracefulShutdownTimeout, preStopDelay }) => ({
      ...options,
      ...(preStopDelay._tag === "Some" ? { preStopDelay: preStopDelay.value } : {}),
      ...(gracefulShutdownTimeout._tag === "Some" ? { gracefulShutdownTimeout: gracefulShutdownTimeout.value } : {})
    })
  )
