/** Each law refuses a policy that breaks it, no other law does, and it says what it saw. */
import { PolicyLaws } from "@effect-resilience/chaos"
import { Deadline, Policy, PolicyRegistry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Option, Pipeable, Scope, TestClock } from "effect"

type Protect = Policy.Policy<unknown>["protect"]

const policyOf = (protect: Protect): Policy.Policy<unknown> => ({
  [Policy.TypeId]: { _E: (_: never): never => _ },
  name: "broken",
  protect,
  pipe() {
    return Pipeable.pipeArguments(this, arguments)
  }
})

const by = (protect: Protect): PolicyLaws.Making => Effect.succeed(policyOf(protect))

const copied = <A>(value: A): A => (typeof value === "object" && value !== null ? { ...value } : value)

/** A call that runs its work only once, however often it is run. */
const remembering: Protect = <A, E, R>(self: Effect.Effect<A, E, R>) => {
  let known: Exit.Exit<A, E> | undefined
  return Effect.suspend(() => known ?? Effect.onExit(self, (exit) => Effect.sync(() => (known = exit))))
}

/** Calls that come while another runs fare as they should not. */
const crowded = (fare: Effect.Effect<never>): PolicyLaws.Making =>
  Effect.sync(() => {
    let running = 0
    const begin = Effect.sync(() => running++)
    const end = Effect.sync(() => running--)
    return policyOf((self) =>
      Effect.acquireUseRelease(
        begin,
        (others) => (others > 0 ? fare : self),
        () => end
      )
    )
  })

/** A hundred permits, one of which is lost with each call that is interrupted. */
const leaking: PolicyLaws.Making = Effect.sync(() => {
  let permits = 100
  return policyOf(<A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.suspend((): Effect.Effect<A, E | string, R> => {
      if (permits === 0) return Effect.fail("no permit")
      permits--
      return Effect.onExit(self, (exit) => Effect.sync(() => (permits += Exit.isInterrupted(exit) ? 0 : 1)))
    })
  )
})

const forgetting: Protect = (self) =>
  Effect.flatMap(Effect.getFiberRefs, (before) => Effect.tap(self, () => Effect.setFiberRefs(before)))

const hidingInterruption: Protect = (self) =>
  Effect.catchSomeCause(self, (cause) =>
    Cause.isInterruptedOnly(cause) ? Option.some(Effect.die("interrupted")) : Option.none()
  )

const registering = Effect.flatMap(Scope.make(), (forever) =>
  PolicyRegistry.register(
    policyOf((self) => self),
    () => {}
  ).pipe(Scope.extend(forever))
)

/** What each law refuses. */
const broken: Readonly<Record<string, ReadonlyArray<PolicyLaws.Making>>> = {
  "a success is handed back as it is": [by((self) => Effect.map(self, copied))],
  "a typed failure is handed back as it is": [by((self) => Effect.mapError(self, () => "another error"))],
  "a defect stays a defect": [
    by((self) => Effect.catchAllDefect(self, Effect.fail)),
    by((self) => Effect.catchAllDefect(self, () => Effect.die("another defect")))
  ],
  "an interruption of the work itself reaches its caller": [by(hidingInterruption)],
  "the work runs when the call is run, and again when it is run again": [by(remembering)],
  "the work is repeated only after a typed failure": [
    by((self) => Effect.repeatN(self, 1)),
    by((self) => Effect.catchAllDefect(self, () => self))
  ],
  "the work has the services, references, fiber refs and scope of its caller, and changes to them stay": [
    by(forgetting)
  ],
  "fifty calls at a time all end, each with its own answer or a refusal": [
    crowded(Effect.never),
    crowded(Effect.die("crowded"))
  ],
  "an interruption from outside ends the call and its work, whose finalizers run": [
    by((self) => Effect.flatMap(Effect.forkDaemon(self), Fiber.join))
  ],
  "after a thousand interrupted calls a thousand more pass": [leaking],
  "work is uninterruptible where its caller is, and what ends late answers nobody else": [by(Effect.interruptible)],
  "closing the scope of a policy ends its fibers and takes it out of the registry": [
    Effect.as(
      Effect.forkDaemon(Effect.never),
      policyOf((self) => self)
    ),
    registering
  ]
}

const refusals = (making: PolicyLaws.Making, options?: PolicyLaws.Options) =>
  Effect.match(PolicyLaws.check(making, options), {
    onSuccess: () => [],
    onFailure: (error) => error.broken.map(({ law }) => law)
  })

describe("the laws of policies", () => {
  it("are each shown to refuse something", () => {
    expect(Object.keys(broken).toSorted()).toEqual(PolicyLaws.laws.map(({ name }) => name).toSorted())
  })

  for (const [law, makings] of Object.entries(broken)) {
    for (const [n, making] of makings.entries()) {
      it.effect(`${law}: refuses ${n + 1} of ${makings.length}, which keeps all others`, () =>
        Effect.gen(function* () {
          expect(yield* refusals(making)).toEqual([law])
        })
      )
    }
  }

  it.effect("let a policy pass that does nothing", () =>
    Effect.gen(function* () {
      expect(yield* refusals(by((self) => self))).toEqual([])
    })
  )

  it.effect("say what was expected and what was seen, of all that are broken", () =>
    Effect.gen(function* () {
      const failing = by(() => Effect.fail("closed"))
      const error = yield* Effect.flip(PolicyLaws.check(failing))
      expect(error.message.split("\n").slice(0, 3)).toEqual([
        "11 of 12 laws do not hold",
        "  a success is handed back as it is: expected the very value that the work gave, but saw a failure with closed",
        "  a typed failure is handed back as it is: expected the very error that the work gave, but saw a failure with closed"
      ])
      expect(error.broken.at(-1)?._tag).toBe("LawBroken")
    })
  )

  it.effect("tell of a policy that never lets go of a call, and do not wait for it", () =>
    Effect.gen(function* () {
      const hanging = by((self) => Effect.uninterruptible(Effect.zipRight(Effect.never, self)))
      const [first] = PolicyLaws.laws
      expect(yield* Effect.flip(first?.check(hanging) ?? Effect.void)).toMatchObject({
        expected: "the call to end",
        seen: "none after 1000 turns"
      })
    })
  )

  it.effect("wait as they are told to, for a policy that takes its time", () =>
    Effect.gen(function* () {
      const slow = by((self) => Effect.delay(self, "1 second"))
      const [first] = PolicyLaws.laws
      const check = (options: PolicyLaws.Options) => Effect.isSuccess(first?.check(slow, options) ?? Effect.never)
      expect(yield* check({})).toBe(false)
      expect(yield* check({ turn: TestClock.adjust("1 second") })).toBe(true)
    })
  )

  it.effect("die of what making the policy dies of", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(PolicyLaws.check(Deadline.make("p", -1)))
      expect(Exit.isFailure(exit) && Cause.isDie(exit.cause)).toBe(true)
    })
  )
})
