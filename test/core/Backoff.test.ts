import { Backoff, InvalidOptions } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Random, Schedule } from "effect"
import { play, script } from "../support/Play.js"

const almostOne = 0.999999

/** When a call that always fails is made with plain `Effect.retry`, in milliseconds from the first. */
const callsAt = (schedule: Schedule.Schedule<Duration.Duration>, retries: number, draws: ReadonlyArray<number> = [0]) =>
  Effect.gen(function* () {
    const dependency = script(Effect.fail("down"))
    const plan = Schedule.intersect(schedule, Schedule.recurs(retries))
    const fixed = Random.fixed([draws[0] ?? 0, ...draws.slice(1)])
    const played = yield* play(Effect.withRandom(Effect.retry(dependency.call, plan), fixed))
    expect(played.exit).toStrictEqual(yield* Effect.exit(Effect.fail("down")))
    return dependency.at.map((at) => at - (dependency.at[0] ?? 0))
  })

/** The first waits of a schedule, in milliseconds, without waiting for them. */
const waits = (schedule: Schedule.Schedule<Duration.Duration>, count: number, seed: number) =>
  Effect.suspend(() =>
    Schedule.run(schedule, 0, Array.from({ length: count })).pipe(
      Effect.map((all) => [...all].map(Duration.toMillis)),
      Effect.withRandom(Random.make(seed))
    )
  )

const of = { base: "100 millis", cap: "2 seconds" } as const

describe("a backoff with plain Effect.retry", () => {
  it.effect("exponential: the first wait is the base, each is twice the one before, up to the cap", () =>
    Effect.gen(function* () {
      expect(yield* callsAt(Backoff.exponential(of), 7)).toEqual([0, 100, 300, 700, 1500, 3100, 5100, 7100])
    })
  )

  it.effect("exponential: grows by its factor", () =>
    Effect.gen(function* () {
      expect(yield* callsAt(Backoff.exponential({ ...of, factor: 3 }), 4)).toEqual([0, 100, 400, 1300, 3300])
      expect(yield* callsAt(Backoff.exponential({ ...of, factor: 1 }), 3)).toEqual([0, 100, 200, 300])
    })
  )

  it.effect("linear: from the base by the increment up to the cap", () =>
    Effect.gen(function* () {
      const options = { base: "100 millis", increment: "50 millis", cap: "220 millis" } as const
      expect(yield* callsAt(Backoff.linear(options), 5)).toEqual([0, 100, 250, 450, 670, 890])
      expect(yield* callsAt(Backoff.linear({ base: "10 millis" }), 3)).toEqual([0, 10, 30, 60])
    })
  )

  it.effect("constant: always the same wait, or none at all", () =>
    Effect.gen(function* () {
      expect(yield* callsAt(Backoff.constant("250 millis"), 3)).toEqual([0, 250, 500, 750])
      expect(yield* callsAt(Backoff.constant(0), 3)).toEqual([0, 0, 0, 0])
    })
  )

  it.effect("full jitter: uniform over 0 to the ceiling", () =>
    Effect.gen(function* () {
      expect(yield* callsAt(Backoff.fullJitter(of), 3, [0])).toEqual([0, 0, 0, 0])
      expect(yield* callsAt(Backoff.fullJitter(of), 3, [almostOne])).toEqual([0, 100, 300, 700])
      expect(yield* callsAt(Backoff.fullJitter(of), 3, [0.5, 0.25, 0.75])).toEqual([0, 50, 100, 400])
    })
  )

  it.effect("equal jitter: half the ceiling, and uniform over the other half", () =>
    Effect.gen(function* () {
      expect(yield* callsAt(Backoff.equalJitter(of), 3, [0])).toEqual([0, 50, 150, 350])
      expect(yield* callsAt(Backoff.equalJitter(of), 3, [almostOne])).toEqual([0, 100, 300, 700])
    })
  )

  it.effect("decorrelated jitter: from the base to three times the wait before, which starts at the base", () =>
    Effect.gen(function* () {
      expect(yield* callsAt(Backoff.decorrelatedJitter(of), 3, [0])).toEqual([0, 100, 200, 300])
      expect(yield* callsAt(Backoff.decorrelatedJitter(of), 4, [almostOne])).toEqual([0, 300, 1200, 3200, 5200])
      expect(yield* callsAt(Backoff.decorrelatedJitter(of), 3, [0.5, 0])).toEqual([0, 200, 300, 500])
    })
  )

  it.effect("caps before it draws: waits at the cap are spread over the whole range", () =>
    Effect.gen(function* () {
      const capped = { base: "100 millis", cap: "150 millis" } as const
      expect(yield* callsAt(Backoff.fullJitter(capped), 4, [0.5])).toEqual([0, 50, 125, 200, 275])
      expect(yield* callsAt(Backoff.equalJitter(capped), 3, [0])).toEqual([0, 50, 125, 200])
    })
  )

  it.effect("keeps its state per run: one schedule serves many callers", () =>
    Effect.gen(function* () {
      const schedule = Backoff.decorrelatedJitter(of)
      const once = waits(schedule, 20, 7)
      const together = yield* Effect.all([once, once], { concurrency: "unbounded" })
      expect(together).toEqual([yield* once, yield* once])
    })
  )
})

const jittered = {
  fullJitter: Backoff.fullJitter,
  equalJitter: Backoff.equalJitter,
  decorrelatedJitter: Backoff.decorrelatedJitter
}

describe("the waits of a backoff", () => {
  for (const [name, make] of Object.entries(jittered)) {
    it.effect(`${name}: whole milliseconds up to the cap for any n, all over the range`, () =>
      Effect.gen(function* () {
        const backoff = make({ base: "7 millis", cap: "1 second" })
        const lots = yield* waits(backoff, 2000, 42)
        expect(
          lots.filter((wait, n) => !Number.isSafeInteger(wait) || wait < 0 || wait > 1000 || wait > ceiling(n))
        ).toEqual([])
        expect(Math.max(...lots)).toBeGreaterThan(980)
        const least = { fullJitter: 0, equalJitter: 500, decorrelatedJitter: 7 }[name] ?? 0
        expect(Math.min(...lots.slice(100))).toBeGreaterThanOrEqual(least)
        expect(Math.min(...lots.slice(100))).toBeLessThan(least + 30)

        function ceiling(n: number): number {
          return backoff[Backoff.TypeId].ceilingMillis(n)
        }
      })
    )
  }

  it.effect("stop growing at 30 seconds, or at the base if that is longer", () =>
    Effect.gen(function* () {
      expect(yield* waits(Backoff.exponential({ base: "10 seconds" }), 4, 1)).toEqual([10_000, 20_000, 30_000, 30_000])
      expect(yield* waits(Backoff.exponential({ base: "1 minute" }), 3, 1)).toEqual([60_000, 60_000, 60_000])
    })
  )

  it.effect("are rounded up to whole milliseconds where the options are not", () =>
    Effect.gen(function* () {
      expect(yield* waits(Backoff.constant("1500 micros"), 2, 1)).toEqual([2, 2])
      expect(yield* waits(Backoff.exponential({ base: 2, factor: 1.3 }), 4, 1)).toEqual([2, 2, 3, 4])
    })
  )

  it("have a ceiling and a mean that can be read without drawing", () => {
    const ceilings = (backoff: Backoff.Backoff) => [0, 1, 5].map((n) => backoff[Backoff.TypeId].ceilingMillis(n))
    const means = (backoff: Backoff.Backoff) => [0, 1, 5].map((n) => backoff[Backoff.TypeId].expectedMillis(n))
    expect(ceilings(Backoff.fullJitter(of))).toEqual([100, 200, 2000])
    expect(means(Backoff.fullJitter(of))).toEqual([50, 100, 1000])
    expect(ceilings(Backoff.equalJitter(of))).toEqual([100, 200, 2000])
    expect(means(Backoff.equalJitter(of))).toEqual([75, 150, 1500])
    expect(ceilings(Backoff.decorrelatedJitter(of))).toEqual([300, 900, 2000])
    expect(means(Backoff.decorrelatedJitter(of))).toEqual([200, 350, 2000])
    expect(ceilings(Backoff.linear(of))).toEqual([100, 200, 600])
    expect(means(Backoff.constant("1 second"))).toEqual([1000, 1000, 1000])
    expect(Backoff.isBackoff(Backoff.constant(1))).toBe(true)
    expect(Backoff.isBackoff(Schedule.spaced(1))).toBe(false)
  })
})

/** What is said of options that cannot be meant. */
const complaint = (make: () => unknown): string => {
  try {
    make()
  } catch (error) {
    if (error instanceof InvalidOptions.InvalidOptions) return error.message
    throw error
  }
  return "nothing is wrong"
}

describe("options that cannot be meant", () => {
  const span = "a duration from 1 ms to 2147483647 ms (24.8 days)"

  it("are refused with the name of the option, its value, and what is allowed", () => {
    expect(complaint(() => Backoff.fullJitter({ base: 0 }))).toBe(
      `Invalid options for "Backoff.fullJitter": base is 0, but must be ${span}`
    )
    expect(complaint(() => Backoff.equalJitter({ base: "1 second", factor: 0.5 }))).toBe(
      `Invalid options for "Backoff.equalJitter": factor is 0.5, but must be a number >= 1`
    )
    expect(complaint(() => Backoff.decorrelatedJitter({ base: "1 second", cap: "500 millis" }))).toBe(
      `Invalid options for "Backoff.decorrelatedJitter": cap is 500 ms, but must be at least the base, 1000 ms`
    )
    expect(complaint(() => Backoff.exponential({ base: "30 days" }))).toBe(
      `Invalid options for "Backoff.exponential": base is "30 days", but must be ${span}`
    )
    expect(complaint(() => Backoff.constant(Number.NaN))).toBe(
      `Invalid options for "Backoff.constant": wait is NaN, but must be ${span.replace("1 ms", "0 ms")}`
    )
  })

  it("are all told at once", () => {
    expect(complaint(() => Backoff.exponential({ base: 0, cap: Infinity, factor: Number.NaN }))).toBe(
      `Invalid options for "Backoff.exponential": base is 0, but must be ${span}; cap is Infinity, but must be ${span}; ` +
        "factor is NaN, but must be a number >= 1"
    )
    expect(complaint(() => Backoff.linear({ base: 0, increment: Duration.infinity }))).toBe(
      `Invalid options for "Backoff.linear": base is 0, but must be ${span}; ` +
        `increment is Infinity, but must be ${span.replace("1 ms", "0 ms")}`
    )
  })

  it("may lie on the limits", () => {
    expect(complaint(() => Backoff.exponential({ base: 1, cap: 1, factor: 1 }))).toBe("nothing is wrong")
    expect(complaint(() => Backoff.exponential({ base: 1, cap: 2_147_483_647 }))).toBe("nothing is wrong")
    expect(complaint(() => Backoff.exponential({ base: 1, cap: 2_147_483_648 }))).not.toBe("nothing is wrong")
  })
})
