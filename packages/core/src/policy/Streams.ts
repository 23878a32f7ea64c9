/**
 * Protects what goes on after it was opened: Streams, and effects that acquire something for a scope.
 *
 * What is protected is the opening. A Stream is open with its first element, or with its end if it has none; a scoped
 * effect when it has acquired what it wanted. That is when the breaker is told, a timeout is called off, and nothing is
 * repeated any more: what fails later is nobody's failure but the caller's own. A classifier is told of the first element
 * as the answer (`undefined` where there is none), or of what was acquired.
 *
 * The permit of a bulkhead and the place in a Keyed that were taken for a Stream are kept until it has ended, for whatever
 * reason; those for an acquisition only until it is made.
 *
 * Each attempt opens in a scope of its own, which is closed before the next one begins, and in a fiber of its own, which
 * stays as long where it has forked others: a timeout does not end them. What is open lives in the caller's budget of time
 * from beginning to end. The policy's own deadline limits how long the opening may take; it is not published inside, where
 * it would end what goes on afterwards.
 *
 * It does not promise that a Stream goes on: one that hangs after its first element hangs, with its permit. Limit each
 * pull (`Stream.timeoutFail`), or all of it (`Deadline.protect` around the effect that runs it). Where a classifier refuses
 * a first element, what was open is closed when the next attempt begins: a bulkhead inside that retry needs a permit for
 * each of the two, one inside `Policy.standard` does not. A policy of one's own that runs the effect more than once must do
 * so one after the other.
 */
import {
  type Cause,
  Channel,
  Chunk,
  Context,
  Deferred,
  Effect,
  Either,
  ExecutionStrategy,
  Exit,
  Fiber,
  Option,
  Scope,
  Stream
} from "effect"
import { dual } from "effect/Function"
import { inForce, publish } from "../Deadline.js"
import type { AnyFiber } from "../FiberTime.js"
import { type Holder, holdersIn, Occupancy } from "../Occupancy.js"
import { isChildless } from "../SameFiber.js"
import type { Policy } from "./Model.js"

/** How something is opened, and what the policy is told of it. */
interface Door<A, E, R> {
  readonly open: (scope: Scope.Scope) => Effect.Effect<A, E, R>
  readonly answer: (open: A) => unknown
  /** Whether permits are kept as long as it is open. */
  readonly keepsPermits: boolean
}

interface Opened<A> {
  readonly value: A
  readonly close: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}

/** Keeps a fiber that has children, until it is interrupted, and they with it. Unlike `Effect.never` it needs no timer. */
const withChildren: Effect.Effect<void> = Effect.withFiberRuntime((fiber) =>
  isChildless(fiber) ? Effect.void : Effect.interruptible(Effect.async<never>(() => {}))
)

/** One call under a policy: attempts one after the other, the last of which stays open. */
class Call<A, E, R> {
  private readonly deadline: ReturnType<typeof inForce>
  private readonly outside: ReadonlyArray<Holder>
  private readonly wanted: boolean
  /** Tells the attempt that the policy waits for from those that it has abandoned. */
  private latest: object | undefined = undefined
  private opened: Opened<A> | undefined = undefined

  constructor(
    caller: AnyFiber,
    private readonly door: Door<A, E, R>
  ) {
    const around = Context.get(caller.currentContext, Occupancy)
    this.deadline = inForce(caller)
    this.outside = holdersIn(around)
    this.wanted = around.wanted
  }

  /** Opens under the policy; what is open then closes with the scope. */
  readonly under = <E2>(policy: Policy<E2>, scope: Scope.Scope): Effect.Effect<A, E | E2, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.matchCauseEffect(
        restore(
          Effect.provideService(policy.protect(this.attempt), Occupancy, {
            holders: this.outside,
            wanted: this.wanted || this.door.keepsPermits,
            isAlone: true
          })
        ),
        {
          onSuccess: () => this.keep(scope),
          onFailure: (cause) => {
            this.latest = undefined
            return Effect.zipRight(this.closeOpened(Exit.failCause(cause)), Effect.failCause(cause))
          }
        }
      )
    )

  private readonly attempt: Effect.Effect<unknown, E, R> = Effect.uninterruptibleMask((restore) =>
    Effect.gen(this, function* () {
      const { answer, keepsPermits, open } = this.door
      const own = {}
      this.latest = own
      // The policy did not take what an attempt before has opened for an answer.
      yield* this.closeOpened(Exit.void)
      const { holders } = yield* Occupancy
      const scope = yield* Scope.make()
      const result = yield* Deferred.make<A, E>()
      const shut = (cause: Cause.Cause<unknown>) => Scope.close(scope, Exit.failCause(cause))
      // Shut in there: Effect's finalizers forget an interruption that comes while they run in a fiber which a limit has
      // interrupted already.
      const opening = Effect.onError(restore(this.asCaller(open(scope), holders)), shut)
      const opener = yield* Effect.forkDaemon(Effect.zipRight(Effect.intoDeferred(opening, result), withChildren))
      const value = yield* Effect.onError(restore(Deferred.await(result)), (cause) =>
        Effect.zipRight(Fiber.interrupt(opener), shut(cause))
      )
      yield* opener.inheritAll
      const kept = keepsPermits ? holders.filter((holder) => !this.outside.includes(holder)) : []
      const holds = kept.map((holder) => holder.hold())
      const close = (exit: Exit.Exit<unknown, unknown>) =>
        Scope.close(scope, exit).pipe(
          Effect.ensuring(Fiber.interrupt(opener)),
          Effect.ensuring(Effect.sync(() => holds.forEach((letGo) => letGo())))
        )
      if (this.latest !== own) return yield* Effect.zipRight(close(Exit.void), Effect.interrupt)
      this.opened = { value, close }
      return answer(value)
    })
  )

  /** In the caller's own budget, and with the permits that the policy has taken. */
  private asCaller(self: Effect.Effect<A, E, R>, holders: ReadonlyArray<Holder>): Effect.Effect<A, E, R> {
    return Effect.provideService(publish(self, this.deadline), Occupancy, { holders, wanted: this.wanted })
  }

  private keep(scope: Scope.Scope): Effect.Effect<A> {
    const { opened } = this
    this.latest = undefined
    return opened === undefined
      ? Effect.dieMessage("a policy answered a call that it has not made")
      : Effect.as(Scope.addFinalizerExit(scope, opened.close), opened.value)
  }

  private closeOpened(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    const { opened } = this
    this.opened = undefined
    return opened === undefined ? Effect.void : opened.close(exit)
  }
}

/** What is open, once the policy has let it. */
const opened = <A, E, R, E2>(
  policy: Policy<E2>,
  scope: Scope.Scope,
  door: Door<A, E, R>
): Effect.Effect<A, E | E2, R> =>
  Effect.withFiberRuntime<A, E | E2, R>((fiber) => new Call(fiber, door).under(policy, scope))

/** The next chunk, or none at the end. */
type Pull<A, E, R> = Effect.Effect<Option.Option<Chunk.Chunk<A>>, E, R>

const withoutEmpty = <A, E, R>(pull: Pull<A, E, R>): Pull<A, E, R> =>
  Effect.flatMap(pull, (chunk) => (Option.exists(chunk, Chunk.isEmpty) ? withoutEmpty(pull) : Effect.succeed(chunk)))

/** A pull which may abandon work, whoever pulls: that work keeps the permits which the stream has. */
const holding = <A, E, R>(pull: Pull<A, E, R>, held: ReadonlyArray<Holder>): Pull<A, E, R> =>
  held.length === 0
    ? pull
    : Effect.flatMap(Occupancy, (around) => {
        const holders = [...new Set([...holdersIn(around), ...held])]
        return Effect.provideService(pull, Occupancy, { holders, wanted: around.wanted })
      })

/** Closes the scope at the end, also where whoever pulls keeps its own scope open. */
const closing = <A, E, R>(pull: Pull<A, E, R>, scope: Scope.CloseableScope): Pull<A, E, R> => {
  const close = (exit: Exit.Exit<unknown, unknown>) => Effect.uninterruptible(Scope.close(scope, exit))
  return pull.pipe(
    Effect.tap((chunk) => (Option.isNone(chunk) ? close(Exit.void) : Effect.void)),
    Effect.tapErrorCause((cause) => close(Exit.failCause(cause)))
  )
}

interface Opening<A, E, R> {
  readonly first: Option.Option<Chunk.Chunk<A>>
  readonly rest: Pull<A, E, R>
}

const toOpening = <A, E, R>(self: Stream.Stream<A, E, R>): Door<Opening<A, E, R>, E, R> => ({
  open: (scope) =>
    Effect.gen(function* () {
      const { holders } = yield* Occupancy
      const pull = Effect.map(yield* Channel.toPullIn(Stream.toChannel(self), scope), Either.getRight)
      return { first: yield* withoutEmpty(pull), rest: holding(pull, holders) }
    }),
  answer: ({ first }) => Option.getOrUndefined(Option.flatMap(first, Chunk.head)),
  keepsPermits: true
})

const goingOn = <A, E, R>({ first, rest }: Opening<A, E, R>, scope: Scope.CloseableScope): Stream.Stream<A, E, R> =>
  Stream.unfoldChunkEffect(Effect.succeed(first), (next: Pull<A, E, R>) =>
    Effect.map(
      closing(next, scope),
      Option.map((chunk) => [chunk, rest] as const)
    )
  )

/**
 * Runs a Stream under a policy. The permit is kept until it ends, the breaker is told of its first element or of a failure
 * before it, a timeout limits the wait for the first element, and nothing is repeated after that. Each run is a call of
 * its own. For a Keyed: `Policy.protectStream(Keyed.forKey(keyed, key))`.
 *
 * @example
 * ```ts
 * import { Policy } from "@effect-resilience/core"
 * import { Effect, Stream } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const search = yield* Policy.standard("search", { timeout: "2 seconds", bulkhead: { maxConcurrent: 10 } })
 *   const results = Stream.make("first", "second").pipe(Policy.protectStream(search))
 *   return yield* Stream.runCollect(results)
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const protectStream: {
  <E>(policy: Policy<E>): <A, E2, R>(self: Stream.Stream<A, E2, R>) => Stream.Stream<A, E | E2, R>
  <A, E2, R, E>(self: Stream.Stream<A, E2, R>, policy: Policy<E>): Stream.Stream<A, E | E2, R>
} = dual(2, <A, E2, R, E>(self: Stream.Stream<A, E2, R>, policy: Policy<E>): Stream.Stream<A, E | E2, R> =>
  Stream.unwrapScopedWith((outer) =>
    Effect.flatMap(Scope.fork(outer, ExecutionStrategy.sequential), (scope) =>
      Effect.map(opened(policy, scope, toOpening(self)), (opening) => goingOn(opening, scope))
    )
  )
)

/**
 * Runs an effect that acquires something for its scope under a policy, which protects the acquisition only: the permit is
 * given back when it is made. Plain `Policy.protect` does so too. Here an attempt that has failed releases at once what it
 * had got, and not when the caller's scope closes; what came too late is released as well; and what the acquisition has
 * forked lives in the caller's budget and until its scope closes.
 *
 * @example
 * ```ts
 * import { Policy } from "@effect-resilience/core"
 * import { Effect } from "effect"
 *
 * const connection = Effect.acquireRelease(Effect.succeed("connected"), () => Effect.log("closed"))
 * const program = Effect.gen(function* () {
 *   const database = yield* Policy.standard("database", { timeout: "1 second" })
 *   return yield* connection.pipe(Policy.protectScoped(database))
 * })
 * Effect.runPromise(Effect.scoped(program)).then(console.log)
 * ```
 */
export const protectScoped: {
  <E>(policy: Policy<E>): <A, E2, R>(self: Effect.Effect<A, E2, R>) => Effect.Effect<A, E | E2, R | Scope.Scope>
  <A, E2, R, E>(self: Effect.Effect<A, E2, R>, policy: Policy<E>): Effect.Effect<A, E | E2, R | Scope.Scope>
} = dual(
  2,
  <A, E2, R, E>(self: Effect.Effect<A, E2, R>, policy: Policy<E>): Effect.Effect<A, E | E2, R | Scope.Scope> =>
    Effect.scopeWith((scope) =>
      opened(policy, scope, {
        open: (own) => Scope.extend(self, own),
        answer: (acquired: A) => acquired,
        keepsPermits: false
      })
    )
)
