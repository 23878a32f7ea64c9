/** Every kind of member, through both of what is put around a service: what can be hit is, and all else is as it was. */
import { FaultInjection, FaultPlan } from "@effect-resilience/chaos"
import { CircuitBreaker, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Chunk, Context, Deferred, Effect, Layer, Option, Queue, Ref, Stream } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { data, type Errors, frozenMembers, type Members, MembersTag, Other, refund } from "../support/EveryMember.js"
import { failureOf } from "../support/Passing.js"

class MembersPolicy extends Context.Tag("test/MembersPolicy")<MembersPolicy, Policy.Standard>() {}

/** The service behind a policy, the circuit of which is open if all is down. */
const behindPolicy = (real: Members, down: boolean) =>
  Effect.gen(function* () {
    const policy = Policy.layer(MembersPolicy, "members")
    const safe = Policy.protectService(MembersTag, MembersPolicy).pipe(
      Layer.provide(Layer.succeed(MembersTag, real)),
      Layer.provideMerge(policy)
    )
    const context = yield* Layer.build(safe)
    const breaker = yield* Effect.orDie(Context.get(context, MembersPolicy).circuitBreaker)
    if (down) yield* breaker.isolate
    return Context.get(context, MembersTag)
  })

/** The service behind a plan, which refuses every call if all is down. */
const behindPlan = (real: Members, down: boolean) => {
  const plan = FaultPlan.make(FaultPlan.fault("Down", { from: down ? 0 : "1 hour" }))
  const faulty = FaultInjection.layer(MembersTag, plan, { errors: { Down: () => new Unavailable({}) } })
  return Effect.map(Layer.build(Layer.provide(faulty, Layer.succeed(MembersTag, real))), (context) =>
    Context.get(context, MembersTag)
  )
}

const around = [
  {
    name: "Policy.protectService",
    put: behindPolicy,
    isRefusal: (u: unknown) => u instanceof CircuitBreaker.CircuitOpen
  },
  { name: "FaultInjection.layer", put: behindPlan, isRefusal: (u: unknown) => u instanceof Unavailable }
] as const

describe.each(around)("$name", ({ isRefusal, put }) => {
  it.scoped("gives what the real service gives, in every kind of call, and asks it once each", () =>
    Effect.gen(function* () {
      const { bank, real } = yield* frozenMembers
      const service = yield* put(real, false)
      expect(yield* service.charge(10, "key", "a", "b")).toBe("charged 10 key a b")
      expect(yield* service.balance).toBe(42)
      expect(yield* service.echo({ id: "x", extra: [1] })).toEqual({ id: "x", extra: [1] })
      const text: Effect.Effect<string, Errors> = service.find("a")
      const number: Effect.Effect<number, Errors> = service.find(7)
      expect([yield* text, yield* number]).toEqual(["a", 7])
      expect(Chunk.toReadonlyArray(yield* Stream.runCollect(service.events))).toEqual([1, 2, 3])
      const elements: Stream.Stream<Date, Errors> = service.eventsOf(new Date(0))
      expect(Chunk.toReadonlyArray(yield* Stream.runCollect(elements))).toEqual([new Date(0)])
      expect(yield* service[refund](3)).toBe("refunded 3")
      expect(yield* service.total).toBe(21)
      expect(bank.asked).toBe(9)
    })
  )

  it.scoped("stands before every kind of call: none reaches the real service where all is down", () =>
    Effect.gen(function* () {
      const { bank, real } = yield* frozenMembers
      const service = yield* put(real, true)
      const calls: ReadonlyArray<Effect.Effect<unknown, Errors>> = [
        service.charge(10, "key"),
        service.balance,
        service.echo({ id: "x" }),
        service.find("a"),
        service.find(7),
        Stream.runCollect(service.events),
        Stream.runCollect(service.eventsOf("a")),
        service[refund](3),
        service.total
      ]
      const exits = yield* Effect.forEach(calls, Effect.exit)
      expect(exits.map(failureOf).filter(isRefusal)).toHaveLength(calls.length)
      expect(bank.asked).toBe(0)
    })
  )

  it.scoped("passes data through as it is, also where all is down", () =>
    Effect.gen(function* () {
      const { real } = yield* frozenMembers
      const service = yield* put(real, true)
      for (const key of data) expect(service[key]).toBe(real[key])
      expect(service.format(5)).toBe("5 cents of 0")
      expect(service.lastOf("c2")).toEqual(Option.some("c2"))
      expect(yield* service.last).toBe("c1")
      expect(yield* service.parsed).toBe(1)
      yield* Ref.update(service.count, (n) => n + 1)
      expect(yield* Ref.get(real.count)).toBe(1)
      yield* Deferred.succeed(service.ready, 9)
      expect(yield* service.ready).toBe(9)
      yield* Queue.offer(service.queue, "message")
      expect(yield* Queue.take(real.queue)).toBe("message")
      expect(yield* Effect.provideService(service.other, Other, 7)).toBe(7)
    })
  )

  it.scoped("leaves the frozen service as it was, has its members and its prototype, and the same function twice", () =>
    Effect.gen(function* () {
      const { bank, isReal, real } = yield* frozenMembers
      const service = yield* put(real, true)
      expect(yield* real.charge(1, "key")).toBe("charged 1 key")
      expect(bank.asked).toBe(1)
      expect(service).not.toBe(real)
      expect(isReal(service)).toBe(true)
      expect(Object.keys(real).every((key) => key in service)).toBe(true)
      expect("missing" in service).toBe(false)
      expect(service.charge).toBe(service.charge)
      expect(Reflect.has(service, refund)).toBe(true)
    })
  )
})
