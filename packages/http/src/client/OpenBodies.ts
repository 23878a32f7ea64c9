/**
 * The responses of a client whose bodies have not ended, and the watch over them: a body that stays silent for too long,
 * or longer than the call's budget, is cut off.
 *
 * One fiber sleeps for all of them, until the first is due; a timer for each would cost more than the rest of a call. It
 * ends when no body is open.
 */
import { Clock, Context, Effect, Exit, type Fiber, Scope } from "effect"

/** Something that happens when its time has come, unless it has moved on by then. */
export interface Watched {
  /** Infinity: not for now. Only what is watched anew may come earlier. */
  readonly dueMillis: number
  /** Whether it is to be watched no longer. */
  readonly hasEnded: boolean
  /** What is done when it is due; afterwards it is due later, or has ended. */
  readonly onDue: (nowMillis: number) => Effect.Effect<void>
  /** What is done when the client's scope closes. */
  readonly onClose: Effect.Effect<void>
}

/** A fiber, whatever it computes. */
export type AnyFiber = Fiber.RuntimeFiber<unknown, unknown>

/** The monotonic side of the fiber's clock, in whole milliseconds. */
export const nowMillis = (fiber: AnyFiber): number =>
  Number(Context.get(fiber.currentDefaultServices, Clock.Clock).unsafeCurrentTimeNanos() / 1_000_000n)

/** The open bodies of one client. Mutable: each change is one synchronous step. */
export class OpenBodies {
  private readonly watched = new Set<Watched>()
  private sleeper: { readonly wakesAtMillis: number } | undefined = undefined
  private isClosed = false

  constructor(private readonly scope: Scope.Scope) {}

  /** Watches over a body; what it gives, if anything, is to be run. */
  watch(fiber: AnyFiber, body: Watched): Effect.Effect<unknown> | undefined {
    if (this.isClosed) return body.onClose
    this.watched.add(body)
    return this.wakeFor(fiber, body.dueMillis)
  }

  /** Looks at a body again that has come to be due earlier. */
  wakeFor(fiber: AnyFiber, dueMillis: number): Effect.Effect<unknown> | undefined {
    if (dueMillis >= (this.sleeper?.wakesAtMillis ?? Infinity)) return undefined
    return Effect.forkIn(Effect.interruptible(this.asleep(nowMillis(fiber), dueMillis)), this.scope)
  }

  /** A body has ended. */
  readonly forget = (body: Watched): void => {
    this.watched.delete(body)
  }

  /** Sleeps until then, and goes on as long as nobody has taken over who wakes earlier. */
  private asleep(fromMillis: number, dueMillis: number): Effect.Effect<void> {
    const self = { wakesAtMillis: dueMillis }
    this.sleeper = self
    return Effect.flatMap(Effect.sleep(Math.max(1, Math.min(2_147_483_647, dueMillis - fromMillis))), () =>
      Effect.withFiberRuntime<void>((fiber) => {
        if (this.sleeper !== self) return Effect.void
        this.sleeper = undefined
        const now = nowMillis(fiber)
        return Effect.zipRight(
          this.sweep(now),
          Effect.suspend(() => this.sleepOn(now))
        )
      })
    )
  }

  private sleepOn(now: number): Effect.Effect<void> {
    let next = Infinity
    for (const { dueMillis } of this.watched) next = Math.min(next, dueMillis)
    return next < (this.sleeper?.wakesAtMillis ?? Infinity) ? this.asleep(now, next) : Effect.void
  }

  private sweep(now: number): Effect.Effect<void> {
    const due: Array<Effect.Effect<void>> = []
    for (const body of this.watched) {
      if (body.hasEnded) this.watched.delete(body)
      else if (body.dueMillis <= now) due.push(body.onDue(now))
    }
    return Effect.all(due, { discard: true })
  }

  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.isClosed = true
    const all = [...this.watched]
    this.watched.clear()
    return Effect.all(
      all.map(({ onClose }) => onClose),
      { discard: true }
    )
  })
}

/** The open bodies of a client, which are cut off when the scope closes. */
export const make: Effect.Effect<OpenBodies, never, Scope.Scope> = Effect.flatMap(
  Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void)),
  (scope) =>
    Effect.acquireRelease(
      Effect.sync(() => new OpenBodies(scope)),
      (bodies) => bodies.close
    )
)
