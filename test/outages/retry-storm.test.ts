/**
 * A retry storm. A dependency stops answering; five hundred messages of a queue are with it when it crashes, fail in the
 * same moment, and are tried again until they are through. It is down for thirty seconds.
 *
 * Without jitter they stay together for good, however long the waits become: the dependency comes up, and is hit by all
 * five hundred at once. A jitter of 10 % spreads the first wave over a fifth of a second, which hardly helps; only the long
 * waits, of which 10 % are seconds, pull them apart. Full jitter does so from the first wait on. It has its price: its waits
 * are half as long, so it asks more often.
 */
import { Backoff, Retry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Console, Duration, Effect, Schedule } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { played, requests } from "../support/Outage.js"

const messages = 500
const crashes = 10_000
const returns = 40_000

/** Does not answer, then refuses, then is well. */
const answer = (now: number): Effect.Effect<void, Unavailable> => {
  if (now >= returns) return Effect.void
  return Effect.zipRight(Effect.sleep(Duration.millis(Math.max(0, crashes - now))), new Unavailable({}))
}

const storm = (backoff: Schedule.Schedule<unknown>) =>
  Effect.gen(function* () {
    const arrivals: Array<number> = []
    const send = Effect.flatMap(Clock.currentTimeMillis, (now) => {
      arrivals.push(now)
      return answer(now)
    })
    const retry = yield* Retry.make("messages", { maxRetries: 100, backoff })
    const sent = yield* requests(messages, "20 millis", () => retry.protect(send))
    expect(sent.every(({ end }) => end === "Success")).toBe(true)
    return arrivals
  })

/** The most arrivals in any 100 ms. */
const peak = (arrivals: ReadonlyArray<number>): number => {
  const bins = new Map<number, number>()
  for (const at of arrivals) bins.set(Math.floor(at / 100), (bins.get(Math.floor(at / 100)) ?? 0) + 1)
  return Math.max(...bins.values())
}

const seen = (jitter: string, backoff: Schedule.Schedule<unknown>) =>
  Effect.map(played(storm(backoff)), ({ value }) => ({
    jitter,
    asked: value.length,
    peak: peak(value),
    peakAfter: peak(value.filter((at) => at >= returns))
  }))

const waits = { base: "1 second", cap: "16 seconds" } as const

describe("a retry storm of 500 messages through an outage of 30 seconds", () => {
  it.effect("stays together without jitter, comes in two halves with 10 %, and is spread by full jitter", () =>
    Effect.gen(function* () {
      const none = yield* seen("none", Backoff.exponential(waits))
      const little = yield* seen("10 %", Backoff.exponential(waits).pipe(Schedule.jitteredWith({ min: 0.9, max: 1.1 })))
      const full = yield* seen("full", Backoff.fullJitter(waits))
      const rows = [none, little, full].map(({ asked, jitter, peak: most, peakAfter }) =>
        [jitter.padEnd(6), ...[asked, most, peakAfter].map((n) => String(n).padStart(6))].join("  ")
      )
      const table = ["jitter   asked    peak   after", ...rows]
      yield* Console.log(table.join("\n"))
      expect(full.peak).toBeLessThanOrEqual(none.peak / 5)
      expect(full.peakAfter).toBeLessThanOrEqual(none.peakAfter / 20)
      expect(table).toEqual([
        "jitter   asked    peak   after",
        "none      3000     500     500",
        "10 %      3100     249      22",
        "full      4255      79      10"
      ])
    })
  )
})
