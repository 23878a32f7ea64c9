import { Fallback } from "@effect-resilience/core"
import { describe, expectTypeOf, it } from "@effect/vitest"
import { Context, Data, Effect } from "effect"

class Down extends Data.TaggedError("Down") {}
class NotFound extends Data.TaggedError("NotFound") {}
class Other extends Data.TaggedError("Other") {}

class Web extends Context.Tag("test/Web")<Web, { readonly get: Effect.Effect<number, Down> }>() {}

type Store = Fallback.StaleStore<string, number, Down | NotFound>

const primary = Effect.flatMap(Web, ({ get }) => get)
const notFound: Effect.Effect<number, NotFound> = Effect.fail(new NotFound())

/** Never run: only its type is looked at. */
const chains = (store: Store) => ({
  remembered: primary.pipe(store.remember("a")),
  plain: primary.pipe(store.remember("a"), Fallback.primary, store.tier("a")),
  selective: primary.pipe(store.remember("a"), Fallback.primary, store.tier("a", { when: ["Down", "NotFound"] })),
  last: primary.pipe(
    store.remember("a"),
    Fallback.primary,
    store.tier("a", { when: "Down" }),
    Fallback.tier("none", () => Effect.succeed(null))
  ),
  mixed: Effect.succeed("text").pipe(Fallback.primary, store.tier("a"))
})
type Chains = ReturnType<typeof chains>

describe("the type of a stale store", () => {
  it("has the errors of all of its primaries, because they share their runs", () => {
    expectTypeOf<Chains["remembered"]>().toEqualTypeOf<Effect.Effect<number, Down | NotFound, Web>>()
    expectTypeOf((store: Store) => notFound.pipe(store.remember("a"))).returns.toEqualTypeOf<
      Effect.Effect<number, Down | NotFound>
    >()
  })

  it("keeps the errors in a tier, which may have nothing to serve, with `when` as without", () => {
    type Served = Effect.Effect<Fallback.Served<number>, Down | NotFound, Web>
    expectTypeOf<Chains["plain"]>().toEqualTypeOf<Served>()
    expectTypeOf<Chains["selective"]>().toEqualTypeOf<Served>()
    expectTypeOf<Chains["last"]>().toEqualTypeOf<Effect.Effect<Fallback.Served<number | null>, never, Web>>()
    expectTypeOf<Chains["mixed"]>().toEqualTypeOf<Effect.Effect<Fallback.Served<number | string>>>()
  })

  it("refuses what does not belong to it", () => {
    void ((store: Store) => {
      // @ts-expect-error an error that other primaries of the store do not have
      void Effect.fail(new Other()).pipe(store.remember("a"))
      // @ts-expect-error a value of another kind
      void Effect.succeed("text").pipe(store.remember("a"))
      // @ts-expect-error a key of another kind
      void store.remember(1)
      // @ts-expect-error a mistyped tag
      void Fallback.primary(notFound).pipe(store.tier("a", { when: "NotFund" }))
      // @ts-expect-error a tier needs a first choice before it
      void notFound.pipe(store.tier("a"))
    })
  })

  it("is asked for with what it cannot know: keys, values and errors", () => {
    const made = Fallback.stale<string, number, Down>({ capacity: 1, maxAge: "1 second" })
    expectTypeOf(made).toEqualTypeOf<Effect.Effect<Fallback.StaleStore<string, number, Down>>>()
  })
})
