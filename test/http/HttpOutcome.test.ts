import { Outcome } from "@effect-resilience/core"
import { HttpOutcome } from "@effect-resilience/http"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Option } from "effect"

const all = Array.from({ length: 500 }, (_, n) => n + 100)

/** The statuses that count in a way. */
const statuses = (counts: (outcome: Outcome.Outcome) => boolean, details?: HttpOutcome.Details) =>
  all.filter((status) => counts(HttpOutcome.fromStatus(status, details)))

const isFailure = ({ _tag }: Outcome.Outcome) => _tag === "Failure"

describe("an HTTP status", () => {
  it("is a failure of the server from 500 on, and for a timeout or a replay that it names itself", () => {
    const from500 = Array.from({ length: 100 }, (_, n) => n + 500)
    expect(statuses(isFailure)).toEqual([408, 425, ...from500])
  })

  it("is worth repeating where it passes by itself", () => {
    expect(statuses(Outcome.isTransient)).toEqual([408, 425, 429, 502, 503, 504])
    expect(statuses(Outcome.isTransient, { reads: true })).toEqual([408, 425, 429, 500, 502, 503, 504])
  })

  it("of 429 says nothing of the server's health", () => {
    expect(statuses(({ _tag }) => _tag === "Ignored")).toEqual([429])
  })

  it("of any other kind is an answer: the server did its part", () => {
    for (const status of [200, 201, 204, 301, 304, 400, 401, 402, 403, 404, 409, 422]) {
      expect(HttpOutcome.fromStatus(status)).toEqual(Outcome.success)
    }
  })

  it("carries what the server asked for, where it counts for anything", () => {
    const retryAfter = Duration.seconds(7)
    for (const status of [429, 500, 503]) {
      expect(Outcome.retryAfter(HttpOutcome.fromStatus(status, { retryAfter }))).toEqual(Option.some(retryAfter))
      expect(Outcome.retryAfter(HttpOutcome.fromStatus(status))).toEqual(Option.none())
    }
    expect(HttpOutcome.fromStatus(503, { retryAfter })).toEqual(Outcome.failure({ transient: true, retryAfter }))
    expect(HttpOutcome.fromStatus(429, { retryAfter })).toEqual(Outcome.ignored({ transient: true, retryAfter }))
  })
})
