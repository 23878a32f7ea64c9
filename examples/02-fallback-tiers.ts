import { Fallback } from "@effect-resilience/core"
import { Console, Data, Effect } from "effect"

class RankingDown extends Data.TaggedError("RankingDown")<{}> {}
class PopularDown extends Data.TaggedError("PopularDown")<{}> {}

const recommendations = (ranking: boolean, popular: boolean) =>
  (ranking ? Effect.succeed(["p7", "p9"]) : Effect.fail(new RankingDown())).pipe(
    Fallback.primary,
    Fallback.tier("popular products", { when: "RankingDown" }, () =>
      popular ? Effect.succeed(["p1", "p2"]) : Effect.fail(new PopularDown())
    ),
    Fallback.tier("none", { when: "PopularDown", kind: "empty" }, () => Effect.succeed([]))
  )

const show = (ranking: boolean, popular: boolean) =>
  Effect.flatMap(recommendations(ranking, popular), (served) =>
    Console.log(
      `${served.kind} from "${served.tier}": [${served.value.join(", ")}]${served.degraded ? ", degraded" : ""}`
    )
  )

await Effect.runPromise(Effect.all([show(true, true), show(false, true), show(false, false)], { discard: true }))

// primary from "primary": [p7, p9]
// alternate from "popular products": [p1, p2], degraded
// empty from "none": [], degraded
