/**
 * How a circuit's transitions reach those who follow them.
 *
 * A transition is handed to each follower in the synchronous step in which it happens, so nobody misses one, hears them
 * out of order, or waits for anybody. Each has a mailbox of its own that keeps the last 64 that it has not taken: one that
 * is slower than the circuit for long loses the oldest, and it alone.
 */
import type { CircuitBreaker as Machine } from "@effect-resilience/machines"
import { Effect, Exit, Mailbox, Stream } from "effect"
import type { AnyFiber } from "./FiberTime.js"

/** Why a circuit changed, with the numbers that made it; `Observing`: by hand, it refuses nothing from here on. */
export type Cause = Machine.Cause | { readonly _tag: "Observing" }

/** A circuit went from one state to another. */
export interface Transition {
  readonly from: Machine.StateName
  readonly to: Machine.StateName
  /** `Present`: nothing changed, this is how the circuit is as one begins to follow it. */
  readonly cause: Cause | { readonly _tag: "Present" }
  /** When it became due, in monotonic milliseconds, as in telemetry. */
  readonly at: number
  /** Whether the circuit only observes: it says where it would have gone, and refuses nothing. */
  readonly observing: boolean
}

/** One who follows, by the mailbox that he takes from. */
export type Follower = Mailbox.Mailbox<Transition>

const kept = 64

/** A stream that begins to follow each time that it is run, in one step, and stops when it ends, however it does. */
export const streamOf = (
  begin: (fiber: AnyFiber, follower: Follower) => Effect.Effect<void>,
  end: (follower: Follower) => void
): Stream.Stream<Transition> => {
  const follower = Effect.flatMap(
    Mailbox.make<Transition>({ capacity: kept, strategy: "sliding" }),
    (mailbox): Effect.Effect<Follower> => Effect.withFiberRuntime((fiber) => Effect.as(begin(fiber, mailbox), mailbox))
  )
  const following = Effect.acquireRelease(follower, (mailbox) => Effect.sync(() => end(mailbox)))
  return Stream.unwrapScoped(Effect.map(following, (mailbox) => Mailbox.toStream(mailbox)))
}

/** Those who follow a circuit. Mutated in place; most circuits have none, and no set for them. */
export class Followers {
  private mailboxes: Set<Follower> | undefined
  private isClosed = false

  /** Hands a transition to each. */
  tell(transition: Transition): void {
    this.mailboxes?.forEach((each) => each.unsafeOffer(transition))
  }

  /** From here on all transitions come after `present`. */
  add(to: Follower, present: Transition): void {
    to.unsafeOffer(present)
    if (this.isClosed) {
      to.unsafeDone(Exit.void)
      return
    }
    this.mailboxes ??= new Set()
    this.mailboxes.add(to)
  }

  /** One does not follow any more. */
  remove(from: Follower): void {
    this.mailboxes?.delete(from)
  }

  /** Nothing more comes: followers take what they have not taken yet, and end. */
  close(): void {
    this.isClosed = true
    this.mailboxes?.forEach((each) => each.unsafeDone(Exit.void))
    this.mailboxes = undefined
  }
}
