/**
 * The end of a body before its time, as its reader hears of it: at once, and from nobody else.
 *
 * A client tells a reader only sometimes that the connection was ended: not if it has sent another request than it was
 * given, and a stream of Node's that was destroyed without an error tells nobody. So the reader waits for a promise or for
 * the cut; or, of what is no promise, for a fiber that reads in its place, where what it changes in its references, and what
 * it forks, is the reader's.
 */
import { Effect, Exit, Fiber, FiberId } from "effect"
import type { BodyCutOff } from "./BodyCutOff.js"

const nobody = (): void => {}

/** Mutable: each change is one synchronous step. There is one reader at a time. */
export class Cut {
  private why: BodyCutOff | undefined = undefined
  private tell: (why: BodyCutOff) => void = nobody

  /** Why it was made, if it was. */
  get made(): BodyCutOff | undefined {
    return this.why
  }

  /** Ends what is being read, and whatever will be. */
  make(why: BodyCutOff): void {
    this.why = why
    this.tell(why)
  }

  /** Reads until that has ended, or until the cut; what fails after the cut has failed for it. */
  until<A, E, R>(self: Effect.Effect<A, E, R>, failure: (why: BodyCutOff) => E): Effect.Effect<A, E, R> {
    return Effect.uninterruptibleMask((restore) =>
      // Its exit is its answer: the runtime would log that a fiber has failed, with the request in the error.
      Effect.flatMap(
        Effect.transplant((graft) => Effect.forkDaemon(Effect.exit(graft(Effect.interruptible(self))))),
        (reading) => Effect.onInterrupt(restore(this.either(reading, failure)), () => Fiber.interrupt(reading))
      )
    )
  }

  /** Waits for a promise, for which no fiber is needed: nobody hears of it any more once it was cut. */
  untilPromised<A, B, E>(
    promised: () => Promise<A>,
    of: (value: A) => B,
    failure: (why: BodyCutOff) => E,
    caught: (cause: unknown) => E
  ): Effect.Effect<B, E> {
    return Effect.async<B, E>((resume) => {
      const told = (exit: Exit.Exit<B, E>): void => {
        this.tell = nobody
        resume(exit)
      }
      this.tell = (why) => told(Exit.fail(failure(why)))
      if (this.why !== undefined) return this.tell(this.why)
      const failed = (cause: unknown): void =>
        told(Exit.fail(this.why === undefined ? caught(cause) : failure(this.why)))
      try {
        promised().then((value) => told(Exit.succeed(of(value))), failed)
      } catch (cause) {
        failed(cause)
      }
    })
  }

  /** What was read, or that it was cut. */
  private either<A, E>(
    reading: Fiber.RuntimeFiber<Exit.Exit<A, E>>,
    failure: (why: BodyCutOff) => E
  ): Effect.Effect<A, E> {
    return Effect.async<A, E>((resume) => {
      this.tell = (why) => {
        this.tell = nobody
        reading.unsafeInterruptAsFork(FiberId.none)
        resume(Exit.fail(failure(why)))
      }
      reading.addObserver((ended) => {
        this.tell = nobody
        const exit = Exit.flatten(ended)
        const read = Exit.isFailure(exit) && this.why !== undefined ? Exit.fail(failure(this.why)) : exit
        resume(Effect.zipRight(reading.inheritAll, read))
      })
      if (this.why !== undefined) this.tell(this.why)
    })
  }
}
