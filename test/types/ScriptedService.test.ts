/** What the compiler says of scripts. Each refusal below is one that `tsc` must make. */
import { ScriptedService } from "@effect-resilience/chaos"
import { describe, expect, it } from "@effect/vitest"
import { Context, Data, Effect, type Option, type Ref, type Stream } from "effect"

const { after, always, answer, effect, expecting, fail, hang, hold, succeed } = ScriptedService

class Declined extends Data.TaggedError("Declined") {}
class Down extends Data.TaggedError("Down") {}

interface Bank {
  readonly charge: (cents: number) => Effect.Effect<"charged", Declined>
  readonly move: (from: string, cents: number) => Effect.Effect<void, Declined, Down>
  readonly balance: Effect.Effect<number>
  readonly refuse: () => Effect.Effect<never, Declined>
  readonly echo: <T>(value: T) => Effect.Effect<T, Declined>
}
class Payments extends Context.Tag("test/Payments")<Payments, Bank>() {}

interface Mixed {
  readonly open: Effect.Effect<boolean>
  readonly currency: string
  readonly last: Option.Option<string>
  readonly lastOf: (id: string) => Option.Option<string>
  readonly count: Ref.Ref<number>
  readonly events: Stream.Stream<number>
  readonly eventsOf: () => Stream.Stream<number>
}
class MixedTag extends Context.Tag("test/Mixed")<MixedTag, Mixed>() {}

/** Two types that are the same, not only assignable to each other. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const same = <A, B>(yes: Same<A, B>): Same<A, B> => yes

describe("a script", () => {
  it("takes steps of the types of each method", () => {
    const layer = ScriptedService.layer(Payments)({
      charge: [
        succeed("charged"),
        fail(new Declined()),
        expecting([100], hold),
        after("1 second", succeed("charged")),
        always(answer((cents) => (cents > 1 ? Effect.succeed("charged") : new Declined())))
      ],
      move: [expecting(["a", 1], succeed(undefined)), answer((from, cents) => Effect.log(from.length + cents))],
      balance: effect(succeed(1), hang),
      refuse: [fail(new Declined())],
      echo: [succeed("anything")]
    })
    expect(layer).toBeDefined()
  })

  it("refuses names, values, errors and arguments that are not the method's", () => {
    const wrong = [
      // @ts-expect-error the method is called charge
      ScriptedService.layer(Payments)({ chrage: [succeed("charged")] }),
      // @ts-expect-error a charge gives "charged"
      ScriptedService.layer(Payments)({ charge: [succeed("paid")] }),
      // @ts-expect-error also later
      ScriptedService.layer(Payments)({ charge: [after("1 second", succeed(1))] }),
      // @ts-expect-error a charge does not fail with Down
      ScriptedService.layer(Payments)({ charge: [fail(new Down())] }),
      // @ts-expect-error a balance never fails
      ScriptedService.layer(Payments)({ balance: effect(fail(new Down())) }),
      // @ts-expect-error a balance is an effect, and not a function
      ScriptedService.layer(Payments)({ balance: [succeed(1)] }),
      // @ts-expect-error a charge is a function
      ScriptedService.layer(Payments)({ charge: effect(succeed("charged")) }),
      // @ts-expect-error a charge is called with a number
      ScriptedService.layer(Payments)({ charge: [expecting(["100"], hang)] }),
      // @ts-expect-error with one
      ScriptedService.layer(Payments)({ charge: [expecting([1, 2], hang)] }),
      // @ts-expect-error it answers with "charged"
      ScriptedService.layer(Payments)({ charge: [answer(() => Effect.succeed(1))] })
    ]
    expect(wrong).toHaveLength(10)
  })

  it("takes members that make no call as they are, all of them, and none that are calls", () => {
    type Needed = keyof ScriptedService.Others<Mixed>
    expect(same<Needed, Exclude<keyof Mixed, "open">>(true)).toBe(true)
    // @ts-expect-error the other members are missing
    const missing = ScriptedService.layer(MixedTag)({})
    // @ts-expect-error there are no other members
    const needless = ScriptedService.layer(Payments)({}, {})
    expect([missing, needless]).toHaveLength(2)
  })

  it("gives held calls and arrivals the types of the method", () => {
    const program = Effect.gen(function* () {
      const payments = yield* ScriptedService.make(Payments)({ charge: [hold], balance: effect(hold) })
      const held = yield* payments.next("charge")
      const balance = yield* payments.next("balance")
      const moved = yield* payments.callsTo("move")
      expect(same<typeof held, ScriptedService.HeldCall<[cents: number], "charged", Declined>>(true)).toBe(true)
      expect(same<typeof balance, ScriptedService.HeldCall<readonly [], number, never>>(true)).toBe(true)
      expect(same<(typeof moved)[number]["args"], [from: string, cents: number]>(true)).toBe(true)
      // @ts-expect-error not what a charge gives
      yield* held.succeed("paid")
      // @ts-expect-error not a method
      yield* payments.next("chrage")
    })
    expect(Effect.isEffect(program)).toBe(true)
  })
})
