/**
 * How work that goes on after its caller was answered keeps the permits that were taken for it: whoever holds a permit
 * publishes a holder, and work that is abandoned takes hold of it until it has really ended.
 *
 * Publishing costs several times what the rest of a permit does, so it is done only where somebody may take hold: inside
 * what asks for it, and everywhere once something was made that abandons work.
 */
import { Context, Effect } from "effect"
import { type AnyFiber, isProvided } from "./FiberTime.js"
import { outside, type Outside, withReference } from "./Region.js"

/** Keeps something until every hold on it has been let go. */
export interface Holder {
  /** Takes hold; call what it gives once to let go. */
  readonly hold: () => () => void
  /** Stands among these, until the hold that it was made with is let go. */
  readonly join: (others: Array<Holder>) => void
}

/** What stands around a point of the program. */
interface Around {
  readonly holders: ReadonlyArray<Holder>
  /** Whether those inside may be taken hold of. */
  readonly wanted: boolean
  /** Whether those inside must not run twice at a time: whoever runs them keeps what a run has opened. */
  readonly isAlone?: boolean | undefined
  /** Where those inside are put that are of the same fiber, in place of publishing each. */
  readonly collected?: { readonly fiber: AnyFiber; readonly holders: Array<Holder> }
}

/** The holders that stand around this point of the program, and whether those inside it may be taken hold of. */
export class Occupancy extends Context.Reference<Occupancy>()("@effect-resilience/core/Occupancy", {
  defaultValue: (): Around => ({ holders: [], wanted: false })
}) {}

/** All holders that stand around. */
export const holdersIn = ({ collected, holders }: Around): ReadonlyArray<Holder> =>
  collected === undefined ? holders : [...holders, ...collected.holders]

/** What is published where somebody wants to take hold of what stands between here, in this fiber, and itself: once. */
export const collecting = (fiber: AnyFiber, holders: ReadonlyArray<Holder>): Around => ({
  holders,
  wanted: true,
  isAlone: true,
  collected: { fiber, holders: [] }
})

/** Whether what runs here must not run twice at a time. */
export const runsAlone = (fiber: AnyFiber): boolean =>
  isProvided(fiber, Occupancy) && Context.get(fiber.currentContext, Occupancy).isAlone === true

let abandons = false

/** Says that from now on work may be abandoned anywhere: at once, because what stands around it may be about to begin. */
export const mayBeAbandoned = (): void => {
  abandons = true
}

const nothing = (): void => {}

/**
 * A holder that calls `free` when the last hold is let go; it is made with one hold, which `letGo` lets go. A hold that is
 * taken after that is on nothing: what was forked by a call that has ended may still know its holder.
 */
export const make = (free: () => void): Holder & { readonly letGo: () => void } => {
  let holds = 1
  let among: Array<Holder> = []
  const release = () => {
    holds--
    if (holds === 0) free()
  }
  const holder = {
    hold: () => {
      if (holds === 0) return nothing
      holds++
      return release
    },
    join: (others: Array<Holder>) => {
      others.push(holder)
      among = others
    },
    letGo: () => {
      const place = among.indexOf(holder)
      if (place >= 0) among.splice(place, 1)
      release()
    }
  }
  return holder
}

/** Work that occupies something, and what is to be called once when it has ended. */
export interface Occupied<A, E, R> {
  readonly work: Effect.Effect<A, E, R>
  readonly letGo: () => void
}

const isWanted = (fiber: AnyFiber): boolean =>
  abandons || (isProvided(fiber, Occupancy) && Context.get(fiber.currentContext, Occupancy).wanted)

const published = <A, E, R>(fiber: AnyFiber, work: Effect.Effect<A, E, R>, holder: Holder): Effect.Effect<A, E, R> => {
  const around = Context.get(fiber.currentContext, Occupancy)
  if (around.collected?.fiber === fiber) {
    holder.join(around.collected.holders)
    return work
  }
  const { isAlone, wanted } = around
  return withReference(work, Occupancy, { holders: [...holdersIn(around), holder], wanted, isAlone })
}

/** Publishes a holder around the work, where somebody may take hold of it. */
export const publishedIfWanted = <A, E, R>(
  fiber: AnyFiber,
  work: Effect.Effect<A, E, R>,
  holder: Holder
): Effect.Effect<A, E, R> => (isWanted(fiber) ? published(fiber, work, holder) : work)

/** Work with a holder around it that calls `free` at its end, if that is wanted; else the work as it is. */
export const occupied = <A, E, R>(fiber: AnyFiber, work: Effect.Effect<A, E, R>, free: () => void): Occupied<A, E, R> =>
  isWanted(fiber) ? occupiedByAll(fiber, work, free) : { work, letGo: free }

const occupiedByAll = <A, E, R>(fiber: AnyFiber, work: Effect.Effect<A, E, R>, free: () => void): Occupied<A, E, R> => {
  const holder = make(free)
  return { work: published(fiber, work, holder), letGo: holder.letGo }
}

/** Runs work that occupies something as its caller would, and lets go of that when it has ended. */
const untilEnded = <A, E, R>({ letGo, work }: Occupied<A, E, R>): Outside<A, E, R> =>
  outside(work, (exit) => {
    letGo()
    return exit
  })

/** Runs work that occupies something as its caller would, and calls `free` when it has ended. */
export type Occupy = <A, E, R>(fiber: AnyFiber, work: Effect.Effect<A, E, R>, free: () => void) => Outside<A, E, R>

/** Until the work has ended, and where somebody may take hold of it, all that was abandoned inside. */
export const occupying: Occupy = (fiber, work, free) => untilEnded(occupied(fiber, work, free))

/** Until the work and all that was abandoned inside has ended. */
export const occupyingAll: Occupy = (fiber, work, free) => untilEnded(occupiedByAll(fiber, work, free))

/** Takes hold of all that stand around; call what it gives once to let go. */
const holdAll = (fiber: AnyFiber): (() => void) => {
  const holds = holdersIn(Context.get(fiber.currentContext, Occupancy)).map((holder) => holder.hold())
  return () => holds.forEach((letGo) => letGo())
}

/** Work that nobody waits for any more keeps every permit that was taken for it until it has ended. */
export const keepingPermits = (caller: AnyFiber, work: AnyFiber): void => work.addObserver(holdAll(caller))

/**
 * Lets the caller go when it is interrupted. The work is interrupted as well if `then` says so, else it runs to its end;
 * either way it keeps every permit that was taken for it until it has ended.
 */
export const abandonable = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  then: "interrupt" | "run on"
): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.withFiberRuntime<A, E, R>((fiber) =>
      Effect.flatMap(Effect.forkDaemon(then === "interrupt" ? restore(self) : self), (work) =>
        Effect.onInterrupt(restore(Effect.flatten(work.await)), () =>
          Effect.suspend(() => {
            keepingPermits(fiber, work)
            return then === "interrupt" ? work.interruptAsFork(fiber.id()) : Effect.void
          })
        ).pipe(Effect.zipLeft(work.inheritAll))
      )
    )
  )
