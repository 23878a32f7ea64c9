/**
 * How long each opening of a circuit lasts: always the same, by its number, or as a `Schedule` says.
 *
 * The lengths of the first 32 openings in a row are settled when the breaker is made, and the last of them repeats. So
 * each is checked once, and none can throw or be out of range when a circuit opens. A schedule is stepped as if each of
 * its delays had passed, and no time does.
 */
import { Chunk, Clock, type Duration, Effect, Either, Schedule } from "effect"
import { type Checked, span } from "./InvalidOptions.js"

/** A span for every opening, a function of the opening's number (1, 2, ...), or a schedule. */
export type OpenDuration =
  | Duration.DurationInput
  | ((opening: number) => Duration.DurationInput)
  | Schedule.Schedule<unknown>

/** The lengths of the first openings in a row, in milliseconds; the last repeats. */
export type Lengths = readonly [first: number, ...others: ReadonlyArray<number>]

/** What the option says: lengths, or a schedule that tells them once it is stepped. */
export type Openings =
  | { readonly _tag: "Known"; readonly lengths: Lengths }
  | { readonly _tag: "Scheduled"; readonly option: string; readonly schedule: Schedule.Schedule<unknown> }

/** How many openings in a row have lengths of their own. */
const toldApart = 32

/** The lengths of `count` openings, or what is wrong with the first that is out of range. */
const lengths = (count: number, length: (opening: number) => Checked<number>): Checked<Lengths> =>
  Either.flatMap(length(1), (first) =>
    Either.map(
      Either.all(Array.from({ length: count - 1 }, (_, place) => place + 2).map(length)),
      (others): Lengths => [first, ...others]
    )
  )

const byNumber = (option: string, duration: (opening: number) => Duration.DurationInput): Checked<Lengths> =>
  lengths(toldApart, (opening) =>
    Either.flatMap(
      Either.try({
        try: () => duration(opening),
        catch: (error) => [
          { option: `${option}(${opening})`, value: `thrown: ${String(error)}`, allowed: "a duration" }
        ]
      }),
      (value) => span(`${option}(${opening})`, value)
    )
  )

/** Checks as much of the option as can be checked without an effect. */
export const checked = (option: string, duration: OpenDuration): Checked<Openings> => {
  if (Schedule.isSchedule(duration)) return Either.right({ _tag: "Scheduled", option, schedule: duration })
  const known = typeof duration === "function" ? byNumber(option, duration) : lengths(1, () => span(option, duration))
  return Either.map(known, (all) => ({ _tag: "Known", lengths: all }))
}

/** The lengths of the openings, for which a schedule is stepped. */
export const settled = (openings: Openings): Effect.Effect<Checked<Lengths>> => {
  if (openings._tag === "Known") return Effect.succeed(Either.right(openings.lengths))
  const { option, schedule } = openings
  // One step more than there are lengths: what comes last is the end of the schedule, or not needed.
  const steps = Array.from({ length: toldApart + 1 })
  return Effect.map(
    Effect.flatMap(Clock.currentTimeMillis, (now) => Schedule.run(Schedule.delays(schedule), now, steps)),
    (all) => {
      const delays = Chunk.toReadonlyArray(Chunk.dropRight(all, 1))
      return delays.length === 0
        ? Either.left([{ option, value: "a schedule that ends at once", allowed: "one with a delay for an opening" }])
        : lengths(delays.length, (opening) => span(`${option}(${opening})`, delays[opening - 1]))
    }
  )
}

/** The length of the n-th opening in a row, n = 1, 2, ..., in milliseconds. */
export const openMillis =
  (all: Lengths) =>
  (opening: number): number =>
    all[Math.min(opening, all.length) - 1] ?? all[0]
