/** Every point at which a call can be interrupted. */
import { Effect, type Exit, Fiber } from "effect"

/** Where a call is interrupted. */
export interface Point {
  /** The call lets others run after so many steps. */
  readonly steps: number
  /** So many steps it has made before it begins, which moves the points where it lets others run. */
  readonly before: number
  /** The others let it go on so many times before they interrupt it. */
  readonly turns: number
}

const points: ReadonlyArray<Point> = Array.from({ length: 16 }, (_, n) => n + 10).flatMap((steps) =>
  [0, 9].flatMap((before) => [0, 1, 2, 4, 8, 14].map((turns) => ({ steps, before, turns })))
)

/** How many there are. */
export const count = points.length

/** Tries something at every point, one after the other. */
export const atEveryPoint = <E, R>(attempt: (point: Point) => Effect.Effect<void, E, R>): Effect.Effect<void, E, R> =>
  Effect.forEach(points, attempt, { discard: true })

/** A call that lets others run after every so many steps of its own. */
export const stepping = <A, E, R>({ before, steps }: Point, call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  const early = Effect.forEach(Array.from({ length: before }), () => Effect.void, { discard: true })
  return Effect.withMaxOpsBeforeYield(Effect.zipRight(early, call), steps)
}

/** Lets the others go on for as many turns as the point has. */
export const takeTurns = ({ turns }: Point): Effect.Effect<void> =>
  Effect.forEach(Array.from({ length: turns }), () => Effect.yieldNow(), { discard: true })

/** Begins a call, does `meanwhile`, interrupts the call at the point, and gives its exit once it has ended. */
export const interruptedAt = <A, E, R, E2, R2>(
  point: Point,
  call: Effect.Effect<A, E, R>,
  meanwhile: Effect.Effect<void, E2, R2>
): Effect.Effect<Exit.Exit<A, E>, E2, R | R2> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.fork(stepping(point, call))
    yield* meanwhile
    yield* takeTurns(point)
    return yield* Fiber.interrupt(fiber)
  })
