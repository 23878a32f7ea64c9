/** What the compiler says of services under a policy. Each refusal below is one that `tsc` must make. */
import { Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import {
  Context,
  Data,
  type Deferred,
  Effect,
  type Either,
  type Fiber,
  type FiberRef,
  Layer,
  type Option,
  type Queue,
  type Ref,
  type ScopedRef,
  type Stream,
  type SubscriptionRef
} from "effect"

class Declined extends Data.TaggedError("Declined") {}
class PaymentPolicy extends Context.Tag("test/PaymentPolicy")<PaymentPolicy, Policy.Standard>() {}

type Declared = Declined | Policy.StandardError

/** Two types that are the same, not only assignable to each other. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(yes: Same<A, B>): Same<A, B> => yes

describe("protectService", () => {
  interface Declaring {
    readonly charge: (cents: number) => Effect.Effect<string, Declared>
    readonly balance: Effect.Effect<number, Policy.StandardError>
    readonly echo: <T extends { readonly id: string }>(value: T) => Effect.Effect<T, Declared>
    readonly find: { (id: string): Effect.Effect<string, Declared>; (id: number): Effect.Effect<number, Declared> }
    readonly widest: Effect.Effect<number, unknown>
    readonly format: (cents: number) => string
    readonly currency: string
    readonly last: Option.Option<string>
    readonly parse: (text: string) => Either.Either<number, Declined>
    readonly count: Ref.Ref<number>
    readonly seen: SubscriptionRef.SubscriptionRef<number>
    readonly held: ScopedRef.ScopedRef<number>
    readonly ready: Deferred.Deferred<void, Declined>
    readonly queue: Queue.Queue<string>
    readonly reader: Queue.Dequeue<string>
    readonly worker: Fiber.RuntimeFiber<void, Declined>
    readonly level: FiberRef.FiberRef<number>
    readonly policyTag: typeof PaymentPolicy
    readonly events: Stream.Stream<number, Declared>
    readonly eventsOf: (id: string) => Stream.Stream<number, Declared>
    readonly rowsOf: <T>(query: T) => Stream.Stream<T, Policy.StandardError>
  }
  class DeclaringTag extends Context.Tag("test/Declaring")<DeclaringTag, Declaring>() {}

  it("accepts a service whose methods declare the policy's errors, and gives the same tag", () => {
    const layer = Policy.protectService(DeclaringTag, PaymentPolicy, { repeatable: ["balance"] })
    expect(same<typeof layer, Layer.Layer<DeclaringTag, never, DeclaringTag | PaymentPolicy>>(true)).toBe(true)
    // The service's type is the same, so generic methods and overloads are what they were.
    const calls = (safe: Declaring) => [safe.echo({ id: "a", extra: 1 }), safe.find("a"), safe.find(1)] as const
    type Calls = ReturnType<typeof calls>
    expect(same<Calls[0], Effect.Effect<{ id: string; extra: number }, Declared>>(true)).toBe(true)
    expect(same<Calls[1], Effect.Effect<string, Declared>>(true)).toBe(true)
    expect(same<Calls[2], Effect.Effect<number, Declared>>(true)).toBe(true)
  })

  it("refuses methods that do not declare them: a function, an effect, a generic function, one overload, Streams", () => {
    class Function extends Context.Tag("f")<
      Function,
      { readonly charge: (n: number) => Effect.Effect<string, Declined> }
    >() {}
    // @ts-expect-error charge does not declare the policy's errors
    const one = Policy.protectService(Function, PaymentPolicy)
    class Member extends Context.Tag("m")<Member, { readonly balance: Effect.Effect<number> }>() {}
    // @ts-expect-error balance does not
    const two = Policy.protectService(Member, PaymentPolicy)
    class Generic extends Context.Tag("g")<Generic, { readonly echo: <T>(value: T) => Effect.Effect<T, Declined> }>() {}
    // @ts-expect-error echo does not
    const three = Policy.protectService(Generic, PaymentPolicy)
    interface First {
      readonly find: { (id: string): Effect.Effect<string, Declined>; (id: number): Effect.Effect<number, Declared> }
    }
    class FirstTag extends Context.Tag("o")<FirstTag, First>() {}
    // @ts-expect-error the first signature of find does not
    const four = Policy.protectService(FirstTag, PaymentPolicy)
    interface Last {
      readonly find: { (id: string): Effect.Effect<string, Declared>; (id: number): Effect.Effect<number, Declined> }
    }
    class LastTag extends Context.Tag("l")<LastTag, Last>() {}
    // @ts-expect-error the last signature of find does not
    const five = Policy.protectService(LastTag, PaymentPolicy)
    class Events extends Context.Tag("e")<Events, { readonly events: Stream.Stream<number, Declined> }>() {}
    // @ts-expect-error the Stream does not declare the policy's errors
    const six = Policy.protectService(Events, PaymentPolicy)
    class EventsOf extends Context.Tag("eo")<
      EventsOf,
      { readonly eventsOf: <T>(id: T) => Stream.Stream<T, Declined> }
    >() {}
    // @ts-expect-error eventsOf does not
    const seven = Policy.protectService(EventsOf, PaymentPolicy)
    const charge = Symbol("charge")
    class Symbolic extends Context.Tag("y")<Symbolic, { readonly [charge]: Effect.Effect<number, Declined> }>() {}
    // @ts-expect-error what stands under the symbol does not
    const eight = Policy.protectService(Symbolic, PaymentPolicy)
    expect([one, two, three, four, five, six, seven, eight].every(Layer.isLayer)).toBe(true)
  })

  it("refuses a service that declares only some of the errors", () => {
    type Some = Exclude<Policy.StandardError, { readonly _tag: "BulkheadFull" }>
    class SomeTag extends Context.Tag("s")<
      SomeTag,
      { readonly charge: (n: number) => Effect.Effect<string, Some> }
    >() {}
    // @ts-expect-error BulkheadFull is missing
    const layer = Policy.protectService(SomeTag, PaymentPolicy)
    expect(Layer.isLayer(layer)).toBe(true)
  })

  it("refuses a name in `repeatable` that the service does not have", () => {
    // @ts-expect-error there is no such method
    const layer = Policy.protectService(DeclaringTag, PaymentPolicy, { repeatable: ["blance"] })
    expect(Layer.isLayer(layer)).toBe(true)
  })
})

describe("protectServiceAs", () => {
  interface Bare {
    readonly charge: (order: number, key: string) => Effect.Effect<string, Declined>
    readonly balance: Effect.Effect<number>
    readonly format: (cents: number) => string
    readonly currency: string
    readonly last: Option.Option<string>
    readonly lastOf: (id: string) => Option.Option<string>
    readonly count: Ref.Ref<number>
    readonly policyTag: typeof PaymentPolicy
    readonly events: Stream.Stream<number, Declined>
    readonly eventsOf: (id: string) => Stream.Stream<number, Declined>
  }
  class BareTag extends Context.Tag("test/Bare")<BareTag, Bare>() {}
  class SafeTag extends Context.Tag("test/Safe")<SafeTag, Policy.Protected<Bare>>() {}

  it("adds the errors to what gives effects and Streams, and to nothing else", () => {
    type Safe = Policy.Protected<Bare>
    type Charge = (order: number, key: string) => Effect.Effect<string, Declared>
    expect(same<Safe["charge"], Charge>(true)).toBe(true)
    expect(same<Safe["balance"], Effect.Effect<number, Policy.StandardError>>(true)).toBe(true)
    expect(same<Safe["format"], Bare["format"]>(true)).toBe(true)
    expect(same<Safe["currency"], string>(true)).toBe(true)
    expect(same<Safe["last"], Option.Option<string>>(true)).toBe(true)
    expect(same<Safe["lastOf"], Bare["lastOf"]>(true)).toBe(true)
    expect(same<Safe["count"], Ref.Ref<number>>(true)).toBe(true)
    expect(same<Safe["policyTag"], typeof PaymentPolicy>(true)).toBe(true)
    expect(same<Safe["events"], Stream.Stream<number, Declared>>(true)).toBe(true)
    expect(same<Safe["eventsOf"], (id: string) => Stream.Stream<number, Declared>>(true)).toBe(true)
  })

  it("gives the other tag, and refuses one whose methods lack the errors", () => {
    const layer = Policy.protectServiceAs(BareTag, PaymentPolicy, SafeTag)
    expect(same<typeof layer, Layer.Layer<SafeTag, never, BareTag | PaymentPolicy>>(true)).toBe(true)
    class Lying extends Context.Tag("test/Lying")<Lying, Bare>() {}
    // @ts-expect-error the methods of Lying do not declare the added errors
    const lie = Policy.protectServiceAs(BareTag, PaymentPolicy, Lying)
    expect(Layer.isLayer(lie)).toBe(true)
  })
})

describe("layer", () => {
  it("refuses a tag for more than a standard policy", () => {
    interface Richer extends Policy.Standard {
      readonly extra: number
    }
    class RicherPolicy extends Context.Tag("test/Richer")<RicherPolicy, Richer>() {}
    // @ts-expect-error a standard policy has no `extra`
    const layer = Policy.layer(RicherPolicy, "payment")
    expect(Layer.isLayer(layer)).toBe(true)
  })

  it("adds to the errors of an effect those of the policy, and takes nothing away", () => {
    const guarded = Effect.flatMap(PaymentPolicy, (policy) => policy.protect(Effect.fail(new Declined())))
    expect(same<typeof guarded, Effect.Effect<never, Declared, PaymentPolicy>>(true)).toBe(true)
    const handled = Effect.catchTag(guarded, "Declined", () => Effect.never)
    expect(same<typeof handled, Effect.Effect<never, Policy.StandardError, PaymentPolicy>>(true)).toBe(true)
  })
})
