/**
 * An untested fallback that throws. Nobody has run it since it was written: on good days nothing does. On the first bad day
 * it makes a defect of an error that the caller could have dealt with. The fix is not another policy, it is this test.
 */
import { FaultPlan, type Timeline } from "@effect-resilience/chaos"
import { CircuitBreaker, Fallback, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Data, Effect } from "effect"
import { endings, faulty, played, requests, tally } from "../support/Outage.js"

class Unreadable extends Data.TaggedError("Unreadable") {}

/** What was deployed beside the service, in a format of last year. */
const deployed = "popular: a book"

const well = FaultPlan.phases()
const down = FaultPlan.phases(FaultPlan.phase("5 seconds", FaultPlan.fault("Unavailable")))

type Books = ReadonlyArray<string>

/** Ten pages, one each second, with the recommendations that a fallback makes of them. */
const pages = <E>(
  plan: FaultPlan.FaultPlan,
  fallback: (primary: Effect.Effect<Books, unknown>) => Effect.Effect<Fallback.Served<Books>, E>
) =>
  Effect.gen(function* () {
    const books: Books = ["another book"]
    const { call, dependency } = yield* faulty("recommendations", plan, Effect.succeed(books))
    const policy = yield* Policy.standard("recommendations", {
      retry: "none",
      circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(3), openDuration: "3 seconds", openJitter: 0 }
    })
    const tiers: Array<string> = []
    const page = Effect.tap(fallback(policy.protect(call)), ({ tier }) => Effect.sync(() => tiers.push(tier)))
    const all = yield* requests(10, "1 second", () => page)
    return { pages: endings(all), tiers: tally(tiers), asked: dependency.asked }
  })

const parse = (text: string): Books => JSON.parse(text)

const untested = (primary: Effect.Effect<Books, unknown>) =>
  primary.pipe(
    Fallback.primary,
    Fallback.tier("popular", { kind: "static" }, () => Effect.sync(() => parse(deployed)))
  )

const mended = (primary: Effect.Effect<Books, unknown>) =>
  primary.pipe(
    Fallback.primary,
    Fallback.tier("popular", { kind: "static" }, () =>
      Effect.try({ try: () => parse(deployed), catch: () => new Unreadable() })
    ),
    Fallback.tier("none", { kind: "empty" }, () => Effect.succeed([]))
  )

const keep = ({ event }: Timeline.Row) => event === "FallbackFailed"

describe("a fallback that throws", () => {
  it.effect("looks well on a good day", () =>
    Effect.gen(function* () {
      const { value } = yield* played(pages(well, untested))
      expect(value).toEqual({ pages: { Success: 10 }, tiers: { primary: 10 }, asked: 10 })
    })
  )

  it.effect("costs every page of the first outage, with a defect", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(pages(down, untested), { keep, details: true })
      expect(value).toEqual({ pages: { Success: 5, Defect: 5 }, tiers: { primary: 5 }, asked: 8 })
      expect(timeline).toEqual([
        " time  policy           event           state   detail",
        "0.000  recommendations  FallbackFailed  Closed  tier popular, error Defect  x 2 until 1.000",
        "2.000  recommendations  FallbackFailed  Open    tier popular, error Defect  x 3 until 4.000"
      ])
    })
  )

  it.effect("costs none once it was seen, and says what it fails with", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(pages(down, mended), { keep, details: true })
      expect(value).toEqual({ pages: { Success: 10 }, tiers: { primary: 5, none: 5 }, asked: 8 })
      expect(timeline).toEqual([
        " time  policy           event           state   detail",
        "0.000  recommendations  FallbackFailed  Closed  tier popular, error Unreadable  x 2 until 1.000",
        "2.000  recommendations  FallbackFailed  Open    tier popular, error Unreadable  x 3 until 4.000"
      ])
    })
  )
})
