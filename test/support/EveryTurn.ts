/**
 * An effect interrupted at each of its turns, one run for each: a fiber hands over after every few operations, and each
 * run is interrupted one turn later than the one before. Nothing may be left running or asleep.
 */
import { Effect, Exit, Fiber, Option, Supervisor } from "effect"
import assert from "node:assert/strict"
import { HandClock, settle } from "./HandClock.js"
import { shape } from "./Play.js"

/** What one run works with. */
export interface Ward {
  readonly clock: HandClock
  /** Counts an effect, and whether it still runs. */
  readonly work: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  begun: number
  running: number
}

const makeWard = (): Ward => {
  const begin = Effect.sync(() => {
    ward.begun++
    ward.running++
  })
  const end = Effect.sync(() => {
    ward.running--
  })
  const ward: Ward = {
    clock: new HandClock(),
    work: (self) =>
      Effect.acquireUseRelease(
        begin,
        () => self,
        () => end
      ),
    begun: 0,
    running: 0
  }
  return ward
}

/** How many operations a fiber has before it is another's turn. */
const operations = [10, 11, 17]

export interface Trial {
  readonly effect: Effect.Effect<unknown, unknown>
  /** What must hold when all is over. */
  readonly after?: Effect.Effect<void>
}

type Make = (ward: Ward) => Effect.Effect<Trial>

/** How a run goes on before the turns are counted. */
export type Start = (ward: Ward) => Effect.Effect<void>

const atOnce: Start = () => Effect.void

/** Lets a run come to rest, then so much time pass at once: what is interrupted is how it settles. */
export const whenDue =
  (millis: number): Start =>
  ({ clock }) =>
    Effect.zipRight(settle, clock.tick(millis))

const begin = (make: Make, start: Start, ops: number) =>
  Effect.gen(function* () {
    const ward = makeWard()
    const supervisor = yield* Supervisor.track
    const { after, effect } = yield* make(ward)
    const fiber = yield* effect.pipe(
      ward.clock.rule,
      Effect.withMaxOpsBeforeYield(ops),
      Effect.forkDaemon,
      Effect.supervised(supervisor)
    )
    yield* start(ward)
    return { after: after ?? Effect.void, fiber, fibers: supervisor.value, ward }
  })

/** Whether it comes to hold; that may need a while, but not for ever as joining what hangs would. */
const comesTrue = (holds: Effect.Effect<boolean>) =>
  Effect.gen(function* () {
    for (let turn = 0; turn < 1000; turn++) {
      if (yield* holds) return true
      yield* Effect.yieldNow()
    }
    return false
  })

/** Interrupts after so many turns. */
const run = (make: Make, start: Start, ops: number, turns: number) =>
  Effect.gen(function* () {
    const { after, fiber, fibers, ward } = yield* begin(make, start, ops)
    for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow()
    const interrupted = Option.isNone(yield* Fiber.poll(fiber))
    yield* Fiber.interruptAsFork(fiber, yield* Effect.fiberId)
    const ended = yield* comesTrue(Effect.map(Fiber.poll(fiber), Option.isSome))
    const exit = Option.getOrElse(yield* Fiber.poll(fiber), () => Exit.void)
    const { begun } = ward
    const allEnded = yield* comesTrue(Effect.map(fibers, (left) => left.length === 0))
    const where = () => `${ops} operations a turn, interrupted after ${turns} turns: ${JSON.stringify(shape(exit))}`
    const wrong = [
      ended ? "" : "it goes on",
      allEnded ? "" : "a fiber is left",
      ward.running === 0 ? "" : "work is left running",
      ward.begun === begun ? "" : "work began after the interruption",
      ward.clock.sleeping === 0 ? "" : "a timer is left",
      !interrupted || !ended || Exit.isInterrupted(exit) ? "" : "the interruption was lost"
    ].filter((what) => what !== "")
    if (wrong.length > 0) assert.fail(`${wrong.join(", ")}; ${where()}`)
    yield* after
    return { begun, interrupted }
  })

/** An effect that has not ended after so many turns never ends. */
export const untilItEnds = 1000

/** Turns enough for an effect that hangs to have come to where it does. */
export const untilItHangs = 25

/**
 * Interrupts at every turn until the effect ends by itself, or up to so many turns if it hangs; what the runs were, for a
 * test to see that they differed. `ended` is 1 if each pace was seen to its end.
 */
export const atEveryTurn = (make: Make, most: number = untilItEnds, start: Start = atOnce) =>
  Effect.gen(function* () {
    const begun = new Set<number>()
    let interrupted = 0
    let ended = 0
    for (const ops of operations) {
      for (let turns = 0; turns <= most; turns++) {
        const one = yield* run(make, start, ops, turns)
        begun.add(one.begun)
        if (!one.interrupted) {
          ended++
          break
        }
        interrupted++
      }
    }
    return { begun: [...begun].toSorted((a, b) => a - b), ended: ended / operations.length, interrupted }
  })
