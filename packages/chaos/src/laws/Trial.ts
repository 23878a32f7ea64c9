/**
 * What a law tries on a policy, and how it waits without a clock.
 */
import type { Policy } from "@effect-resilience/core"
import { Cause, Data, Effect, Exit, Fiber, Inspectable, identity, Option, type Scope } from "effect"

/** A law does not hold: what it expected, and what was seen instead. */
export class LawBroken extends Data.TaggedError("LawBroken")<{
  readonly law: string
  readonly expected: string
  readonly seen: string
}> {
  override get message(): string {
    return `${this.law}: expected ${this.expected}, but saw ${this.seen}`
  }
}

/** What was expected and seen; the law adds its name. */
export interface Complaint {
  readonly expected: string
  readonly seen: string
}

const longest = 120

const printed = (value: unknown): string => {
  const text = value instanceof Error ? String(value) : Inspectable.toStringUnknown(value, 0)
  return text.length > longest ? `${text.slice(0, longest)}...` : text
}

/** An exit in words. */
export const wordsOf = (exit: Exit.Exit<unknown, unknown>): string =>
  Exit.match(exit, {
    onSuccess: (value) => `a success with ${printed(value)}`,
    onFailure: (cause) =>
      Cause.match(cause, {
        onEmpty: "nothing",
        onFail: (error) => `a failure with ${printed(error)}`,
        onDie: (defect) => `a defect, ${printed(defect)}`,
        onInterrupt: () => "an interruption",
        onSequential: (left, right) => `${left}, then ${right}`,
        onParallel: (left, right) => `${left}, and ${right}`
      })
  })

/** Complains unless it holds. */
export const holds = (holding: boolean, expected: string, seen: string): Effect.Effect<void, Complaint> =>
  holding ? Effect.void : Effect.fail({ expected, seen })

/** Whether an exit is a success with this very value. */
export const succeededWith = (exit: Exit.Exit<unknown, unknown>, value: unknown): boolean =>
  Exit.isSuccess(exit) && Object.is(exit.value, value)

/** How often some work began, and how much of it runs. */
export class Work {
  begun = 0
  running = 0
  /** Counts an effect. */
  readonly of = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        this.begun++
        this.running++
      }),
      () => self,
      () => Effect.sync(() => this.running--)
    )
}

/** What has not happened after so many turns never happens. */
const patience = 1000

/** A policy on trial. */
export class Trial {
  constructor(
    readonly make: Effect.Effect<Policy.Policy<unknown>, never, Scope.Scope>,
    private readonly turn: Effect.Effect<void>
  ) {}

  /** Whether it comes to hold within some turns. */
  readonly comes = (holding: Effect.Effect<boolean>): Effect.Effect<boolean> =>
    Effect.iterate(patience, { while: (left) => left > 0, body: (left) => this.step(holding, left) }).pipe(
      Effect.map((left) => left < 0)
    )

  private readonly step = (holding: Effect.Effect<boolean>, left: number): Effect.Effect<number> =>
    Effect.flatMap(holding, (yes) => (yes ? Effect.succeed(-1) : Effect.as(this.turn, left - 1)))

  /** Lets others go on for so many turns. */
  readonly turns = (count: number): Effect.Effect<void> =>
    count === 0 ? Effect.void : Effect.repeatN(this.turn, count - 1)

  /**
   * Begins a call. A daemon that is interrupted at the end, but not waited for: a policy that does not let go must not
   * keep the law from saying so.
   */
  readonly begin = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.acquireRelease(daemon(call), Fiber.interruptFork)

  /** The same for as long as `use` takes, without a scope. */
  readonly during = <A, E, R, B, E2>(
    call: Effect.Effect<A, E, R>,
    use: (fiber: Fiber.RuntimeFiber<A, E>) => Effect.Effect<B, E2>
  ): Effect.Effect<B, E2, R> => Effect.acquireUseRelease(daemon(call), use, Fiber.interruptFork)

  /** The exit of a call that must end. */
  readonly end = <A, E>(fiber: Fiber.RuntimeFiber<A, E>, what: string): Effect.Effect<Exit.Exit<A, E>, Complaint> =>
    Effect.gen(this, function* () {
      yield* this.comes(Effect.map(Fiber.poll(fiber), Option.isSome))
      const exit = yield* Fiber.poll(fiber)
      return Option.isSome(exit)
        ? exit.value
        : yield* Effect.fail({ expected: `${what} to end`, seen: `none after ${patience} turns` })
    })

  /** Makes a call and gives its exit; it must end. */
  readonly call = <A, E, R>(
    call: Effect.Effect<A, E, R>,
    what: string = "the call"
  ): Effect.Effect<Exit.Exit<A, E>, Complaint, R> => this.during(call, (fiber) => this.end(fiber, what))

  /** Makes calls, one after the other, whose work gives an answer of its own, which must be what each gives. */
  readonly passes = (policy: Policy.Policy<unknown>, when: string, times: number = 1): Effect.Effect<void, Complaint> =>
    Effect.suspend(() => {
      const own = Symbol("answer")
      const call = Effect.filterOrDie(policy.protect(Effect.succeed(own)), (answer) => answer === own, identity)
      return Effect.flatMap(this.call(Effect.repeatN(call, times - 1), `a call ${when}`), (exit) =>
        holds(succeededWith(exit, own), `a call ${when} to be answered by its own work`, wordsOf(exit))
      )
    })
}

const daemon = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forkDaemon(Effect.interruptible(call))

/** Something that must hold of every policy. */
export interface Rule {
  readonly name: string
  readonly holds: (trial: Trial) => Effect.Effect<void, Complaint, Scope.Scope>
}
