/**
 * The end of a body before its time, as its reader hears of it: at once, and from nobody else.
 *
 * A client tells a reader only sometimes that the connection was ended: not if it has sent another request than it was
 * given, and a stream of Node's that was destroyed without an error tells nobody. So what reads runs in a fiber of its
 * own, and the reader waits for that or for the cut.
 */
import { Effect, Exit, Fiber, FiberId } from "effect"
import type { BodyCutOff } from "./BodyCutOff.js"

/** Mutable: each change is one synchronous step. There is one reader at a time. */
export class Cut {
  private why: BodyCutOff | undefined = undefined
  private onMade: (why: BodyCutOff) => void = () => {}

  /** Why it was made, if it was. */
  get made(): BodyCutOff | undefined {
    return this.why
  }

  /** Ends what is being read, and whatever will be. */
  make(why: BodyCutOff): void {
    this.why = why
    this.onMade(why)
  }

  /** Reads until that has ended, or until the cut; what fails after the cut has failed for it. */
  until<A, E, R>(self: Effect.Effect<A, E, R>, failure: (why: BodyCutOff) => E): Effect.Effect<A, E, R> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.forkDaemon(Effect.interruptible(self)), (reading) => {
        const either = Effect.async<A, E>((resume) => {
          this.onMade = (why) => {
            reading.unsafeInterruptAsFork(FiberId.none)
            resume(Exit.fail(failure(why)))
          }
          if (this.why !== undefined) this.onMade(this.why)
          reading.addObserver((exit) =>
            resume(Exit.isFailure(exit) && this.why !== undefined ? Exit.fail(failure(this.why)) : exit)
          )
        })
        return Effect.onInterrupt(restore(either), () => Fiber.interrupt(reading))
      })
    )
  }
}
