import { ChaosControl, FaultPlan } from "@effect-resilience/chaos"
import { InvalidOptions } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Exit, Layer, Logger, LogLevel, Stream, TestClock } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { failureOf } from "../support/Passing.js"
import { play } from "../support/Play.js"
import { Listener } from "../support/Listener.js"

interface Bank {
  readonly charge: (order: string) => Effect.Effect<string, Unavailable>
  readonly events: Stream.Stream<number, Unavailable>
}
class Payments extends Context.Tag("test/Payments")<Payments, Bank>() {}
class Mails extends Context.Tag("test/Mails")<Mails, Bank>() {}

const unavailable = () => new Unavailable({})
const staging: ChaosControl.Options = { enabled: true, environment: "staging" }
const failing = FaultPlan.make(FaultPlan.fault("Unavailable"))

const controlBy = (options: ChaosControl.Options) => Layer.effect(ChaosControl.ChaosControl, ChaosControl.make(options))

const environmentOf = (variables: Readonly<Record<string, string>>) =>
  Layer.provide(
    ChaosControl.layerConfig(),
    Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))
  )

/** A bank under control, and what its real one was asked. */
const under = <E>(control: Layer.Layer<ChaosControl.ChaosControl, E>, plan = failing) =>
  Effect.gen(function* () {
    const bank = new Dependency()
    const real: Bank = {
      charge: (order) => bank.ask(Effect.succeed(order)),
      events: Stream.fromEffect(bank.ask(Effect.succeed(1)))
    }
    const payments = ChaosControl.layer(Payments, "payment", {
      plan,
      errors: { Unavailable: unavailable },
      failure: unavailable
    })
    const mails = ChaosControl.layer(Mails, "mail", { failure: unavailable })
    const services = Layer.provide(Layer.merge(payments, mails), [
      Layer.succeed(Payments, real),
      Layer.succeed(Mails, real)
    ])
    const built = yield* Layer.build(Layer.provideMerge(services, control))
    const chaos = Context.get(built, ChaosControl.ChaosControl)
    return { bank, real, chaos, payments: Context.get(built, Payments), mails: Context.get(built, Mails) }
  })

/** How many of so many calls, each of another order, fail; each must be answered for real otherwise. */
const failures = (calls: number, bank: Bank) =>
  Effect.map(
    Effect.forEach(
      Array.from({ length: calls }, (_, n) => `order ${n}`),
      (order) => Effect.either(bank.charge(order))
    ),
    (ends) => ends.filter(({ _tag }) => _tag === "Left").length
  )

/** What is logged at warn or above while an effect runs. */
const warnings = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const said: Array<string> = []
    const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
      if (LogLevel.greaterThanEqual(logLevel, LogLevel.Warning)) said.push(String(message))
    })
    return Effect.map(Effect.provide(self, Logger.replace(Logger.defaultLogger, logger)), (value) => ({ value, said }))
  })

describe("chaos that nobody asked for", () => {
  for (const [what, control] of [
    ["without any setting", controlBy({})],
    ["without a flag in the environment", environmentOf({ CHAOS_FAILURE_RATE: "1", CHAOS_LATENCY_MS: "-7" })],
    ["with the flag off, in production", environmentOf({ CHAOS_ENABLED: "false", NODE_ENV: "production" })]
  ] as const) {
    it.scoped(`${what}, leaves the very same service, and cannot be started`, () =>
      Effect.gen(function* () {
        const { value, said } = yield* warnings(under(control))
        expect(value.payments === value.real).toBe(true)
        expect(said).toEqual([])
        expect(yield* Effect.flip(value.chaos.start("payment"))).toMatchObject({ _tag: "UnknownPlan", known: [] })
        expect([value.chaos.enabled, yield* value.chaos.status]).toEqual([false, []])
      })
    )
  }
})

describe("where chaos may start", () => {
  for (const [variables, starts] of [
    [{}, false],
    [{ NODE_ENV: "production" }, false],
    [{ NODE_ENV: "Staging" }, false],
    [{ NODE_ENV: "production", CHAOS_ALLOW_PRODUCTION: "false" }, false],
    [{ NODE_ENV: "production", CHAOS_ALLOW_PRODUCTION: "true" }, true],
    [{ CHAOS_ALLOW_PRODUCTION: "true" }, true],
    [{ NODE_ENV: "staging" }, true],
    [{ NODE_ENV: "test" }, true],
    [{ NODE_ENV: "development" }, true]
  ] as const) {
    it.scoped(`${JSON.stringify(variables)}: ${starts ? "yes, with a warning" : "no"}`, () =>
      Effect.gen(function* () {
        const building = Layer.build(environmentOf({ CHAOS_ENABLED: "true", ...variables }))
        const { said, value } = yield* warnings(Effect.exit(building))
        expect(Exit.isSuccess(value)).toBe(starts)
        expect(said.filter((line) => line.startsWith("chaos is on in"))).toHaveLength(starts ? 1 : 0)
        if (!starts) expect(failureOf(value)).toBeInstanceOf(ChaosControl.ChaosRefused)
      })
    )
  }

  it.effect("the refusal says what to set", () =>
    Effect.gen(function* () {
      const refusal = yield* Effect.flip(ChaosControl.make({ enabled: true }))
      expect(refusal.message).toBe(
        "chaos does not start where NODE_ENV is not set: set it to development, test or staging, or allow production explicitly"
      )
    })
  )
})

describe("a plan that is started by hand", () => {
  it.scoped("hits until it is stopped, says so at warn and in telemetry, and begins at its beginning again", () =>
    Effect.gen(function* () {
      const plan = FaultPlan.make(FaultPlan.fault("Unavailable", { times: 2 }))
      const { bank, chaos, payments } = yield* under(controlBy(staging), plan)
      expect(yield* failures(5, payments)).toBe(0)
      const { said } = yield* warnings(chaos.start("payment", { for: "30 minutes" }))
      expect(said).toEqual(['chaos: its plan is injected into "payment" for 30m'])
      const listener = new Listener()
      expect(yield* listener.hear(failures(5, payments))).toBe(2)
      expect(listener.events).toEqual(
        Array.from({ length: 2 }, () =>
          expect.objectContaining({ _tag: "FaultInjected", policy: "payment", method: "charge", chaos: true })
        )
      )
      yield* chaos.start("payment")
      expect(yield* failures(1, payments)).toBe(1)
      yield* chaos.stop("payment")
      expect(yield* failures(5, payments)).toBe(0)
      expect(bank.asked).toBe(13)
      yield* chaos.start("payment")
      yield* chaos.stop()
      expect(yield* failures(5, payments)).toBe(0)
    })
  )

  it.scoped("ends by itself, at the moment that was given, by default after ten minutes", () =>
    Effect.gen(function* () {
      const { chaos, payments } = yield* under(controlBy(staging))
      for (const [options, minutes] of [
        [{ for: "1 hour" }, 60],
        [{}, 10]
      ] as const) {
        yield* chaos.start("payment", options)
        const [{ leftMillis } = { leftMillis: 0 }] = yield* chaos.status
        expect(leftMillis).toBe(minutes * 60_000)
        yield* TestClock.adjust(leftMillis - 1)
        expect(yield* failures(1, payments)).toBe(1)
        yield* TestClock.adjust(1)
        expect(yield* failures(1, payments)).toBe(0)
        expect((yield* chaos.status)[0]).toEqual({
          name: "payment",
          on: false,
          plan: undefined,
          share: 0,
          leftMillis: 0
        })
      }
    })
  )

  it.scoped("hits Streams and calls made before it was started, when they are run", () =>
    Effect.gen(function* () {
      const { bank, chaos, payments } = yield* under(controlBy(staging))
      const call = payments.charge("early")
      const run = Stream.runDrain(payments.events)
      yield* chaos.start("payment")
      expect(failureOf(yield* Effect.exit(call))).toBeInstanceOf(Unavailable)
      expect(failureOf(yield* Effect.exit(run))).toBeInstanceOf(Unavailable)
      expect(bank.asked).toBe(0)
      yield* chaos.stop()
      yield* Effect.zipRight(call, run)
      expect(bank.asked).toBe(2)
    })
  )

  it.scoped("hits a share of keys, always the same ones, and more of them as the share grows", () =>
    Effect.gen(function* () {
      const { chaos, payments } = yield* under(controlBy(staging))
      const orders = Array.from({ length: 2000 }, (_, n) => `order ${n}`)
      const hit = (share: number, options: ChaosControl.StartOptions = {}) =>
        Effect.gen(function* () {
          yield* chaos.start("payment", { share, ...options })
          const ends = yield* Effect.forEach(orders, (order) => Effect.isFailure(payments.charge(order)))
          return new Set(orders.filter((_, n) => ends[n]))
        })
      const tenth = yield* hit(0.1)
      expect(yield* hit(0.1)).toEqual(tenth)
      const third = yield* hit(0.3)
      expect([...tenth].filter((order) => !third.has(order))).toEqual([])
      expect([tenth.size > 140, tenth.size < 260, third.size > 500, third.size < 700]).toEqual([true, true, true, true])
      expect((yield* hit(0)).size).toBe(0)
      expect((yield* hit(1)).size).toBe(2000)
      const oneKey = (yield* hit(0.5, { key: () => "the same" })).size
      expect(oneKey === 0 || oneKey === 2000).toBe(true)
      const only = yield* hit(1, { only: ({ args, method }) => method === "charge" && args[0] === "order 7" })
      expect([...only]).toEqual(["order 7"])
    })
  )

  it.scoped("must be one that there is, and its options ones that can be meant", () =>
    Effect.gen(function* () {
      const { chaos } = yield* under(controlBy(staging))
      expect((yield* Effect.flip(chaos.start("paiment"))).message).toBe(
        'no plan to start is called "paiment": there are payment'
      )
      expect(yield* Effect.flip(chaos.start("mail"))).toMatchObject({ _tag: "UnknownPlan" })
      const defect = failureOf(yield* Effect.exit(chaos.start("payment", { for: "61 minutes", share: 2 })))
      expect(defect instanceof InvalidOptions.InvalidOptions && defect.problems).toMatchObject([
        { option: "for", allowed: "at most an hour" },
        { option: "share" }
      ])
    })
  )

  it.scoped("is refused as a whole when the Layer is built, if it cannot be meant", () =>
    Effect.gen(function* () {
      const plan = FaultPlan.make(FaultPlan.fault("Unavailable", { rate: 2 }))
      expect(failureOf(yield* Effect.exit(under(controlBy(staging), plan)))).toBeInstanceOf(
        InvalidOptions.InvalidOptions
      )
    })
  )

  it.effect("is not under control any more when the scope of its Layer has closed", () =>
    Effect.gen(function* () {
      const chaos = yield* ChaosControl.make(staging)
      const wrapped = ChaosControl.wrap({ charge: () => Effect.void }, "payment", {}).pipe(
        Effect.provideService(ChaosControl.ChaosControl, chaos)
      )
      const during = yield* Effect.scoped(Effect.zipRight(wrapped, chaos.status))
      expect([during.length, (yield* chaos.status).length]).toEqual([1, 0])
    })
  )
})

describe("the environment alone", () => {
  const on = { CHAOS_ENABLED: "true", NODE_ENV: "staging" }

  it.scoped("makes a share of calls fail and all of them late, for an hour", () =>
    Effect.gen(function* () {
      const building = under(environmentOf({ ...on, CHAOS_FAILURE_RATE: "0.3", CHAOS_LATENCY_MS: "500" }))
      const { said, value } = yield* warnings(building)
      expect(said.slice(1).toSorted()).toEqual([
        'chaos: what the settings say is injected into "mail" for 1h',
        'chaos: what the settings say is injected into "payment" for 1h'
      ])
      const started = yield* play(Effect.either(value.payments.charge("first")), "1 second")
      expect(started.at).toBe(500)
      const { exit } = yield* play(failures(400, value.payments), "10 minutes")
      expect(Exit.isSuccess(exit) && exit.value > 90 && exit.value < 150).toBe(true)
      yield* TestClock.adjust("1 hour")
      expect(yield* failures(20, value.payments)).toBe(0)
    })
  )

  it.scoped("hits only the services that it names; the others are the very same objects", () =>
    Effect.gen(function* () {
      const { chaos, mails, payments, real } = yield* under(
        environmentOf({ ...on, CHAOS_FAILURE_RATE: "1", CHAOS_SERVICES: "mail, search" })
      )
      expect([payments === real, mails === real]).toEqual([true, false])
      expect([yield* failures(3, payments), yield* failures(3, mails)]).toEqual([0, 3])
      expect(yield* Effect.flip(chaos.start("payment"))).toMatchObject({ _tag: "UnknownPlan", known: [] })
    })
  )

  it.scoped("ends it all at the time that it names, also what is started by hand, and starts nothing after", () =>
    Effect.gen(function* () {
      const at = (minutes: number) => new Date(minutes * 60_000).toISOString()
      const { chaos, mails, payments } = yield* under(
        environmentOf({ ...on, CHAOS_FAILURE_RATE: "1", CHAOS_UNTIL: at(20) })
      )
      yield* TestClock.adjust("15 minutes")
      yield* chaos.start("payment", { for: "1 hour" })
      expect((yield* chaos.status).map(({ leftMillis, plan }) => [plan, leftMillis])).toEqual([
        ["its own", 300_000],
        ["settings", 300_000]
      ])
      yield* TestClock.adjust("5 minutes")
      expect([yield* failures(3, payments), yield* failures(3, mails)]).toEqual([0, 0])
      yield* chaos.start("payment")
      expect(yield* failures(3, payments)).toBe(0)
      const over = yield* under(environmentOf({ ...on, CHAOS_FAILURE_RATE: "1", CHAOS_UNTIL: at(20) }))
      expect(yield* failures(3, over.payments)).toBe(0)
    })
  )

  it.scoped("says of a service that does not know how to fail that it does not", () =>
    Effect.gen(function* () {
      const wrapping = ChaosControl.wrap({ charge: () => Effect.succeed(1) }, "search", {})
      const { said, value } = yield* warnings(
        Effect.provide(wrapping, environmentOf({ ...on, CHAOS_FAILURE_RATE: "1" }))
      )
      expect(said.at(-1)).toBe('chaos: "search" does not say how it fails, so no failure is injected into it')
      expect(yield* value.charge()).toBe(1)
    })
  )

  it.effect("fails with all that is wrong with it at once", () =>
    Effect.gen(function* () {
      const wrong = {
        CHAOS_ENABLED: "yes",
        CHAOS_ALLOW_PRODUCTION: "1",
        CHAOS_FAILURE_RATE: "1.5",
        CHAOS_LATENCY_MS: "-1",
        CHAOS_SERVICES: "mail,,",
        CHAOS_UNTIL: "1970-01-01T01:00:00.001Z"
      }
      const error = yield* Effect.flip(Effect.scoped(Layer.build(environmentOf(wrong))))
      for (const variable of Object.keys(wrong)) expect(String(error)).toContain(variable)
      const late = { ...on, CHAOS_UNTIL: "tomorrow", CHAOS_LATENCY_MS: "" }
      const both = String(yield* Effect.flip(Effect.scoped(Layer.build(environmentOf(late)))))
      expect(both).toContain("2030-01-31T12:00:00Z")
      expect(both).toContain("CHAOS_LATENCY_MS")
    })
  )
})
