import { ScriptedService } from "@effect-resilience/chaos"
import { Backoff, InvalidOptions, Policy, Retry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Context, Effect, Exit, Fiber, Layer, Option, Stream, TestClock } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { begin, failureOf } from "../support/Passing.js"
import { play } from "../support/Play.js"

const { after, always, answer, die, expecting, fail, hang, hold, succeed } = ScriptedService

interface Bank {
  readonly charge: (cents: number) => Effect.Effect<string, Unavailable | Policy.StandardError>
  readonly refund: (id: string, cents: number) => Effect.Effect<void, Policy.StandardError>
  readonly balance: Effect.Effect<number, Unavailable | Policy.StandardError>
}

class Payments extends Context.Tag("test/Payments")<Payments, Bank>() {}

const unavailable = new Unavailable({})

/** How a call ended, and when, in milliseconds. */
const end = (call: Effect.Effect<unknown, unknown>) =>
  Effect.map(play(call, "1 hour"), ({ at, exit }) => [at, Exit.isSuccess(exit) ? exit.value : failureOf(exit)])

/** What a program that must not go as its script says is told. */
const told = <A, E>(program: Effect.Effect<A, E>) =>
  Effect.map(Effect.exit(program), (exit) => {
    const defects = Exit.isFailure(exit) ? [...Cause.defects(exit.cause)] : []
    return defects.filter((defect) => defect instanceof ScriptedService.ScriptMismatch).at(-1)
  })

describe("a scripted service", () => {
  it.scoped("answers each call as its script says, and says when each came, with what, and how it ended", () =>
    Effect.gen(function* () {
      const payments = yield* ScriptedService.make(Payments)({
        charge: [succeed("first"), fail(unavailable), die("a bug"), after("2 seconds", succeed("slow"))],
        balance: ScriptedService.effect(answer(() => Effect.succeed(42)))
      })
      const { balance, charge } = payments.service
      expect(yield* end(charge(1))).toEqual([0, "first"])
      expect((yield* end(charge(2)))[1]).toBe(unavailable)
      expect((yield* end(charge(3)))[1]).toBe("a bug")
      expect(yield* end(charge(4))).toEqual([10_802_000, "slow"])
      expect(yield* balance).toBe(42)
      expect((yield* payments.calls).map(({ method, number }) => `${method} ${number}`)).toEqual(
        ["charge 1", "charge 2", "charge 3", "charge 4", "balance 1"] // in the order of arrival
      )
      const seen = (yield* payments.callsTo("charge")).map(({ args, at, ended }) => [args[0], at, ended])
      expect(seen).toEqual([
        [1, 0, "succeeded"],
        [2, 3_600_000, "failed"],
        [3, 7_200_000, "died"],
        [4, 10_800_000, "succeeded"]
      ])
    })
  )

  it.scoped("counts calls, those under way, the most at a time, and interruptions", () =>
    Effect.gen(function* () {
      const payments = yield* ScriptedService.make(Payments)({ charge: [always(hang)] })
      const calls = yield* Effect.forEach([1, 2, 3], (cents) => begin(payments.service.charge(cents)))
      expect(yield* payments.counts).toEqual({ calls: 3, running: 3, mostRunning: 3, interrupted: 0 })
      yield* Fiber.interruptAll(calls.slice(0, 2))
      yield* begin(payments.service.charge(4))
      expect(yield* payments.counts).toEqual({ calls: 4, running: 2, mostRunning: 3, interrupted: 2 })
    })
  )

  it.scoped("holds a call until the test says how it ends, and says when nobody waits for that any more", () =>
    Effect.gen(function* () {
      const payments = yield* ScriptedService.make(Payments)({ charge: [hold, hold, hold, after("1 second", hold)] })
      const first = yield* begin(payments.service.charge(1))
      const second = yield* begin(payments.service.charge(2))
      const third = yield* begin(payments.service.charge(3))
      const heldFirst = yield* payments.next("charge")
      const heldSecond = yield* payments.next("charge")
      const heldThird = yield* payments.next("charge")
      expect([heldFirst, heldSecond, heldThird].map(({ args, number }) => [number, args])).toEqual([
        [1, [1]],
        [2, [2]],
        [3, [3]]
      ])
      expect(yield* heldSecond.fail(unavailable)).toBe(true)
      expect(yield* heldSecond.succeed("too late")).toBe(false)
      expect(failureOf(yield* Fiber.await(second))).toBe(unavailable)
      expect((yield* payments.counts).running).toBe(2)
      yield* Fiber.interrupt(third)
      expect(yield* heldThird.succeed("too late")).toBe(false)
      expect(yield* heldFirst.succeed("well")).toBe(true)
      expect(yield* Fiber.join(first)).toBe("well")
      const next = yield* begin(payments.next("charge"))
      const fourth = yield* begin(payments.service.charge(4))
      expect(Option.isNone(yield* Fiber.poll(next))).toBe(true)
      yield* TestClock.adjust("1 second")
      yield* (yield* Fiber.join(next)).die("a bug")
      expect(failureOf(yield* Fiber.await(fourth))).toBe("a bug")
    })
  )

  it.scoped("refuses to wait for a held call that cannot come, and takes back what was not waited for", () =>
    Effect.gen(function* () {
      const payments = yield* ScriptedService.make(Payments)({ charge: [hold], refund: [always(succeed(undefined))] })
      expect(failureOf(yield* Effect.exit(payments.next("refund")))).toMatchObject({
        message: expect.stringContaining("holds 0 calls of refund")
      })
      yield* Fiber.interrupt(yield* begin(payments.next("charge")))
      const call = yield* begin(payments.service.charge(1))
      yield* (yield* payments.next("charge")).succeed("well")
      expect(yield* Fiber.join(call)).toBe("well")
      expect(Exit.isFailure(yield* Effect.exit(payments.next("charge")))).toBe(true)
    })
  )

  it.scoped("may stand below a policy like any other service, and counts what that makes of a call", () =>
    Effect.gen(function* () {
      class PaymentPolicy extends Context.Tag("test/PaymentPolicy")<PaymentPolicy, Policy.Standard>() {}
      const payments = yield* ScriptedService.make(Payments)({
        charge: [fail(unavailable), fail(unavailable), succeed("third time")],
        balance: ScriptedService.effect(fail(unavailable), succeed(42))
      })
      const policy = Policy.layer(PaymentPolicy, "payment", { retry: { backoff: Backoff.constant("1 second") } })
      const safe = Policy.protectService(Payments, PaymentPolicy, { repeatable: ["charge", "balance"] })
      const built = yield* Layer.build(Layer.provide(safe, [payments.layer, policy]))
      const { balance, charge } = Context.get(built, Payments)
      expect(yield* end(charge(1))).toEqual([2000, "third time"])
      expect((yield* end(balance))[1]).toBe(42)
      expect((yield* payments.calls).map(({ at }) => at)).toEqual([0, 1000, 2000, 3_600_000, 3_601_000])
    })
  )
})

describe("calls other than those of the script", () => {
  const script = {
    charge: [expecting([100], fail(unavailable)), expecting([100], succeed("c1"))],
    refund: [succeed(undefined)]
  } as const

  /** Runs a program on the scripted bank, whose scope closes at the end. */
  const running = (program: (bank: Bank) => Effect.Effect<unknown, unknown>) =>
    Effect.flatMap(Payments, program).pipe(Effect.provide(ScriptedService.layer(Payments)(script)))

  it.effect("are none where all came", () =>
    Effect.gen(function* () {
      const all = running(({ charge, refund }) =>
        Effect.zipRight(Effect.retry(charge(100), { times: 1 }), refund("c1", 100))
      )
      expect(yield* Effect.exit(all)).toEqual(Exit.void)
    })
  )

  it.effect("are told at the end where some never came, in a table", () =>
    Effect.gen(function* () {
      const mismatch = yield* told(running(({ charge }) => Effect.ignore(charge(100))))
      expect(mismatch?.message.split("\n")).toEqual([
        '"test/Payments" was called otherwise than its script says, in 2 of 3 calls:',
        "   call       expected                      arrived",
        "   charge #1  (100) fails with Unavailable  (100) at 0 ms, failed",
        ">  charge #2  (100) succeeds                no call",
        ">  refund #1  succeeds                      no call"
      ])
    })
  )

  it.effect("die at once where there is one too many, of a method in the script or of another", () =>
    Effect.gen(function* () {
      const retry = yield* Effect.scoped(Retry.make("p", { maxRetries: 5, backoff: Backoff.constant(0) }))
      const tooMany = yield* told(running(({ charge }) => Effect.forever(Effect.ignore(retry.protect(charge(100))))))
      expect(tooMany?.rows.filter(({ method }) => method === "charge")).toMatchObject([
        { matches: true },
        { matches: true },
        { number: 3, expected: "no call", arrived: "(100) at 0 ms, unexpected", matches: false }
      ])
      const other = yield* told(running(({ balance }) => balance))
      expect(other?.rows.filter(({ arrived }) => arrived !== "no call")).toEqual([
        { method: "balance", number: 1, expected: "no call", arrived: "() at 0 ms, unexpected", matches: false }
      ])
      const called = yield* told(
        Effect.provide(
          Effect.flatMap(Payments, ({ charge }) => charge(1)),
          ScriptedService.layer(Payments)({})
        )
      )
      expect(called?.rows).toMatchObject([{ method: "charge", arrived: "(1) at 0 ms, unexpected" }])
    })
  )

  it.effect("are those with other arguments, compared by what is in them", () =>
    Effect.gen(function* () {
      const mismatch = yield* told(running(({ charge }) => charge(99)))
      expect(mismatch?.rows[0]).toMatchObject({
        expected: "(100) fails with Unavailable",
        arrived: "(99) at 0 ms, unexpected"
      })
      interface Lists {
        readonly put: (list: { readonly of: ReadonlyArray<number> }) => Effect.Effect<void>
      }
      class Store extends Context.Tag("test/Store")<Store, Lists>() {}
      const put = (of: ReadonlyArray<number>) =>
        Effect.flatMap(Store, (store) => store.put({ of })).pipe(
          Effect.provide(ScriptedService.layer(Store)({ put: [expecting([{ of: [1, 2] }], succeed(undefined))] }))
        )
      expect(yield* told(put([1, 2]))).toBeUndefined()
      expect(yield* told(put([2, 1]))).toBeDefined()
    })
  )

  it.effect("are told again at the end where nobody looked at the call's exit, or where the test fails anyway", () =>
    Effect.gen(function* () {
      const unseen = running(({ balance }) => Effect.zipRight(Effect.exit(balance), Effect.fail("the test fails")))
      expect(yield* told(unseen)).toBeDefined()
      const unfinished = running(() => Effect.fail("the test fails"))
      expect(yield* Effect.exit(unfinished)).toEqual(Exit.fail("the test fails"))
    })
  )

  it.effect("can be asked for before the end", () =>
    Effect.gen(function* () {
      const asked = Effect.gen(function* () {
        const payments = yield* ScriptedService.make(Payments)({ refund: [succeed(undefined)] })
        const before = yield* Effect.flip(payments.verify)
        yield* payments.service.refund("c1", 1)
        yield* payments.verify
        return before.rows
      })
      expect(yield* Effect.scoped(asked)).toMatchObject([{ method: "refund", arrived: "no call" }])
    })
  )
})

describe("a script that cannot be meant", () => {
  it.effect("dies of all that is wrong with it", () =>
    Effect.gen(function* () {
      const making = ScriptedService.make(Payments)({
        charge: [always(succeed("a")), after(-1, hang), hold],
        balance: ScriptedService.effect(after("1 second", after("26 days", hang)))
      })
      const invalid = failureOf(yield* Effect.exit(Effect.scoped(making)))
      expect(invalid instanceof InvalidOptions.InvalidOptions && invalid.problems).toMatchObject([
        { option: "charge[0]", value: "always", allowed: "the last step of its method" },
        { option: "charge[1].after" },
        { option: "balance[0].after" }
      ])
    })
  )
})

describe("members that make no call", () => {
  it.scoped("are those that the test gives", () =>
    Effect.gen(function* () {
      interface Shop {
        readonly currency: string
        readonly last: Option.Option<string>
        readonly events: Stream.Stream<number>
        readonly format: (cents: number) => string
        readonly open: Effect.Effect<boolean>
      }
      class ShopTag extends Context.Tag("test/Shop")<ShopTag, Shop>() {}
      const others = { currency: "EUR", last: Option.none(), events: Stream.make(1, 2), format: String }
      const { service } = yield* ScriptedService.make(ShopTag)({ open: ScriptedService.effect(succeed(true)) }, others)
      expect([service.currency, service.format(3), yield* service.open]).toEqual(["EUR", "3", true])
      expect(service.events).toBe(others.events)
      expect(service.last).toBe(others.last)
    })
  )
})
