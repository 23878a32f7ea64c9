/** What the compiler says of the names in a plan. Each refusal below is one that `tsc` must make. */
import { FaultInjection, FaultPlan } from "@effect-resilience/chaos"
import { describe, expect, it } from "@effect/vitest"
import { Context, Data, type Deferred, Effect, Layer, type Option, type Queue, type Ref, type Stream } from "effect"

class Declined extends Data.TaggedError("Declined") {}
class Unavailable extends Data.TaggedError("Unavailable") {}

/** Two types that are the same, not only assignable to each other. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(yes: Same<A, B>): Same<A, B> => yes

const symbol = Symbol("refund")

interface Payment {
  readonly charge: (cents: number, key: string) => Effect.Effect<string, Declined | Unavailable>
  readonly balance: Effect.Effect<number, Unavailable>
  readonly echo: <T>(value: T) => Effect.Effect<T, Unavailable>
  readonly rethrow: <E>(error: E) => Effect.Effect<string, E | Unavailable>
  readonly find: {
    (id: string): Effect.Effect<string, Unavailable>
    (id: number): Effect.Effect<number, Unavailable | Declined>
  }
  readonly events: Stream.Stream<number, Unavailable>
  readonly eventsOf: <T>(id: T) => Stream.Stream<T, Unavailable>
  readonly format: (cents: number) => string
  readonly currency: string
  readonly last: Option.Option<string>
  readonly count: Ref.Ref<number>
  readonly ready: Deferred.Deferred<void, Declined>
  readonly queue: Queue.Queue<string>
  readonly [symbol]: Effect.Effect<number, Unavailable>
}
class PaymentTag extends Context.Tag("test/Payment")<PaymentTag, Payment>() {}

/** The same without the generic error, which may be anything. */
class PlainTag extends Context.Tag("test/Plain")<PlainTag, Omit<Payment, "rethrow">>() {}

const { fault, hang, latency, lostReply, make, outcome } = FaultPlan

describe("layer", () => {
  it("gives the same tag over the real service", () => {
    const layer = FaultInjection.layer(PaymentTag, make(latency("3 seconds")), {})
    expect(same<typeof layer, Layer.Layer<PaymentTag, never, PaymentTag>>(true)).toBe(true)
  })

  it("accepts an error that every method declares", () => {
    const plan = make(fault("Down", { rate: 0.5 }), latency("3 seconds"), hang({ times: 1 }))
    const layer = FaultInjection.layer(PlainTag, plan, { errors: { Down: () => new Unavailable() } })
    expect(Layer.isLayer(layer)).toBe(true)
  })

  it("accepts one that only the methods declare which it is for", () => {
    const plan = make(fault("Declined", { methods: ["charge"] }), lostReply("Down"), lostReply("nothing"))
    const layer = FaultInjection.layer(PlainTag, plan, {
      errors: { Declined: () => new Declined(), Down: () => new Unavailable() }
    })
    expect(Layer.isLayer(layer)).toBe(true)
  })

  it("refuses an error that one method does not declare", () => {
    const one = FaultInjection.layer(PaymentTag, make(fault("No", { methods: ["charge", "balance", "echo"] })), {
      // @ts-expect-error balance and echo do not declare Declined
      errors: { No: () => new Declined() }
    })
    const two = FaultInjection.layer(PaymentTag, make(fault("No", { methods: ["charge", "balance"] })), {
      // @ts-expect-error balance does not
      errors: { No: () => new Declined() }
    })
    const three = FaultInjection.layer(PaymentTag, make(fault("No", { methods: ["find"] })), {
      // @ts-expect-error the first signature of find does not
      errors: { No: () => new Declined() }
    })
    const four = FaultInjection.layer(PaymentTag, make(lostReply("No", { methods: ["events"] })), {
      // @ts-expect-error the Stream does not
      errors: { No: () => new Declined() }
    })
    const five = FaultInjection.layer(PaymentTag, make(fault("No", { methods: ["eventsOf"] })), {
      // @ts-expect-error eventsOf does not
      errors: { No: () => new Declined() }
    })
    const six = FaultInjection.layer(PaymentTag, make(fault("No", { methods: ["Symbol(refund)"] })), {
      // @ts-expect-error what stands under the symbol does not
      errors: { No: () => new Declined() }
    })
    const seven = FaultInjection.layer(PaymentTag, make(fault("No", { methods: ["rethrow"] })), {
      // @ts-expect-error rethrow fails with what it was given, which need not be Declined
      errors: { No: () => new Declined() }
    })
    expect([one, two, three, four, five, six, seven].every(Layer.isLayer)).toBe(true)
  })

  it("refuses a plan whose names nobody gives", () => {
    // @ts-expect-error Down is not given
    const one = FaultInjection.layer(PaymentTag, make(fault("Down")), {})
    const two = FaultInjection.layer(PaymentTag, make(hang(), fault("Down", { methods: ["charge"] })), {
      // @ts-expect-error Down is not given, only Up
      errors: { Up: () => new Unavailable() }
    })
    // @ts-expect-error None is not given
    const three = FaultInjection.layer(PaymentTag, make(outcome("None", { methods: ["charge"] })), {})
    // @ts-expect-error big is not given
    const four = FaultInjection.layer(PaymentTag, make(hang({ when: "big" })), {})
    const five = FaultInjection.layer(PaymentTag, make(hang({ when: "big" })), {
      // @ts-expect-error small is not big
      predicates: { small: () => true }
    })
    expect([one, two, three, four, five].every(Layer.isLayer)).toBe(true)
  })

  it("refuses a method that is none", () => {
    // @ts-expect-error there is no such method
    const one = FaultInjection.layer(PaymentTag, make(hang({ methods: ["chrage"] })), {})
    // @ts-expect-error format gives no effect
    const two = FaultInjection.layer(PaymentTag, make(hang({ methods: ["format"] })), {})
    // @ts-expect-error last is data
    const three = FaultInjection.layer(PaymentTag, make(hang({ methods: ["last"] })), {})
    // @ts-expect-error so is a Ref
    const four = FaultInjection.layer(PaymentTag, make(latency("1 second", { methods: ["count"] })), {})
    expect([one, two, three, four].every(Layer.isLayer)).toBe(true)
  })

  it("refuses an option of a fault that there is not", () => {
    // @ts-expect-error it is called rate
    expect(hang({ rates: 0.5 }).kind).toBe("hang")
    // @ts-expect-error and is a number
    expect(latency("1 second", { rate: "often" }).kind).toBe("latency")
  })

  it("accepts a result that the methods it is for may have, and refuses others", () => {
    const fine = FaultInjection.layer(PaymentTag, make(outcome("None", { methods: ["charge"] })), {
      outcomes: { None: () => "nothing" }
    })
    const element = FaultInjection.layer(PaymentTag, make(outcome("None", { methods: ["events", "balance"] })), {
      outcomes: { None: () => 0 }
    })
    const one = FaultInjection.layer(PaymentTag, make(outcome("None", { methods: ["charge"] })), {
      // @ts-expect-error charge gives a string
      outcomes: { None: () => 1 }
    })
    const two = FaultInjection.layer(PaymentTag, make(outcome("None")), {
      // @ts-expect-error not every method gives a string
      outcomes: { None: () => "nothing" }
    })
    const three = FaultInjection.layer(PaymentTag, make(outcome("None", { methods: ["echo"] })), {
      // @ts-expect-error echo gives what it was given
      outcomes: { None: () => "nothing" }
    })
    const four = FaultInjection.layer(PaymentTag, make(outcome("None", { methods: ["find"] })), {
      // @ts-expect-error the second signature of find gives a number
      outcomes: { None: () => "nothing" }
    })
    expect([fine, element, one, two, three, four].every(Layer.isLayer)).toBe(true)
  })

  it("types the call that predicates, errors and results are about", () => {
    const layer = FaultInjection.layer(PlainTag, make(fault("Down", { when: "big" })), {
      errors: {
        Down: (call) => {
          expect(same<typeof call.now, number>(true)).toBe(true)
          return new Unavailable()
        }
      },
      predicates: { big: (call) => call.method === "charge" && call.args[0] > 1000 && call.args[1].startsWith("a") }
    })
    const wrong = FaultInjection.layer(PaymentTag, make(hang({ when: "big" })), {
      // @ts-expect-error the second argument of charge is a string
      predicates: { big: (call: FaultInjection.ServiceCall<Payment>) => call.method === "charge" && call.args[1] > 1 }
    })
    expect([layer, wrong].every(Layer.isLayer)).toBe(true)
  })

  it("asks of a plan whose names it does not know that what is given fits every method", () => {
    const unknown: FaultPlan.FaultPlan = make(fault("Down"))
    const fine = FaultInjection.layer(PlainTag, unknown, { errors: { Down: () => new Unavailable() } })
    const wrong = FaultInjection.layer(PlainTag, unknown, {
      // @ts-expect-error Declined is not declared by every method
      errors: { Down: () => new Declined() }
    })
    expect([fine, wrong].every(Layer.isLayer)).toBe(true)
  })
})

describe("inject", () => {
  it("adds the errors that are given, and refuses a plan whose names nobody gives, and a result of another type", () => {
    const one = FaultInjection.inject(Effect.succeed(1), make(fault("Down")), {
      errors: { Down: (call) => (call.now > 0 ? new Unavailable() : new Declined()) }
    })
    expect(same<typeof one, Effect.Effect<Effect.Effect<number, Unavailable | Declined>>>(true)).toBe(true)
    const two = FaultInjection.inject(Effect.succeed(1), make(latency("1 second")), {})
    expect(same<typeof two, Effect.Effect<Effect.Effect<number>>>(true)).toBe(true)
    // @ts-expect-error Down is not given
    const three = FaultInjection.inject(Effect.succeed(1), make(fault("Down")), {})
    const four = FaultInjection.inject(Effect.succeed(1), make(fault("Down")), {
      // @ts-expect-error Down is not given, only Up
      errors: { Up: () => new Unavailable() }
    })
    const five = FaultInjection.inject(Effect.succeed(1), make(outcome("None")), {
      // @ts-expect-error the effect gives a number
      outcomes: { None: () => "nothing" }
    })
    expect([one, two, three, four, five].every(Effect.isEffect)).toBe(true)
  })
})
