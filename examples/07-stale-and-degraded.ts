import { CircuitBreaker, Degrade, Fallback, Policy } from "@effect-resilience/core"
import { Console, Data, Duration, Effect, Option, TestClock, TestContext } from "effect"

class RatingsDown extends Data.TaggedError("RatingsDown")<{}> {}

let up = true
let asked = 0

const askRatings = Effect.suspend(() => {
  asked++
  return up ? Effect.succeed(4.5) : Effect.fail(new RatingsDown())
})

const program = Effect.gen(function* () {
  const policy = yield* Policy.standard("ratings", { circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1) } })
  const store = yield* Fallback.stale<string, number, RatingsDown | Policy.StandardError>({
    capacity: 10_000,
    maxAge: "1 hour"
  })

  // The last good rating, for an hour; the key names everything that it depends on.
  const rating = (id: string) => askRatings.pipe(policy.protect, store.remember(id), Fallback.primary, store.tier(id))

  // Without its name a product has no page; without its rating it has one, which says so.
  const page = (id: string) =>
    Degrade.all({ name: Degrade.critical(Effect.succeed("a book")), rating: Degrade.optional(rating(id)) })

  const show = (id: string) =>
    Effect.flatMap(page(id), ({ degraded, value }) => {
      const told = Option.match(value.rating, {
        onNone: () => "no rating",
        onSome: ({ age, kind, value: stars }) =>
          `${stars} (${[kind, ...Option.toArray(Option.map(age, Duration.format))].join(", ")})`
      })
      return Console.log(`${id}: ${value.name}, ${told}, degraded: [${degraded.join()}], calls: ${asked}`)
    })

  yield* Effect.all([show("p7"), show("p7")], { concurrency: "unbounded" }) // two pages at once, one call
  up = false
  yield* TestClock.adjust("10 minutes")
  yield* show("p7")
  yield* show("p7") // the circuit is open: nobody is asked, the value is the same
  yield* show("p8") // never seen, so there is nothing to serve
})

await Effect.runPromise(Effect.scoped(program).pipe(Effect.provide(TestContext.TestContext)))

// p7: a book, 4.5 (primary), degraded: [], calls: 1
// p7: a book, 4.5 (primary), degraded: [], calls: 1
// p7: a book, 4.5 (stale, 10m), degraded: [rating], calls: 2
// p7: a book, 4.5 (stale, 10m), degraded: [rating], calls: 2
// p8: a book, no rating, degraded: [rating], calls: 2
