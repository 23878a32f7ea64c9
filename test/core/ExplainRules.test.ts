import { CircuitBreaker, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"

const explain = (tripPolicy: CircuitBreaker.TripPolicy) =>
  Policy.explain(
    "payment",
    { deadline: "none", timeout: "2 seconds", retry: "none", bulkhead: "none", circuitBreaker: { tripPolicy } },
    { callsPerSecond: 10 }
  )

const slow = (slowerThan: "2 seconds" | "2001 millis", window = CircuitBreaker.time("30 seconds")) =>
  CircuitBreaker.slow({ threshold: 0.5, slowerThan, window, minimumCalls: 10 })

describe("an explanation of a circuit with a rule on slow calls", () => {
  it("says when it opens, and that it never does where an attempt times out before it is slow", () => {
    const { layers, timeToOpen } = explain(slow("2 seconds"))
    const does = "opens after 0.5 of at least 10 calls took 2s or longer over 30s, for 30s"
    expect(layers).toContainEqual({ layer: "circuit breaker", does })
    expect(timeToOpen?.millis).toBe(3_000)
    expect(explain(slow("2001 millis")).timeToOpen?.rules).toMatchObject([
      { millis: Infinity, because: "the last attempt of a call lasts 2s, which is not slow" }
    ])
  })
})

describe("an explanation of a circuit with several rules", () => {
  const several = explain(CircuitBreaker.any(CircuitBreaker.consecutive(50), slow("2001 millis"), slow("2 seconds")))

  it("names them all, and opens by the first", () => {
    expect(several.layers[0]?.does).toMatch(/^opens after 50 failures in a row, or 0\.5 of .* 2s 1ms .*, or 0\.5 of /)
    expect(several.timeToOpen).toMatchObject({
      millis: 3_000,
      rules: [{ millis: 7_000 }, { millis: Infinity }, { millis: 3_000 }]
    })
  })

  it("prints a line for each below the whole", () => {
    expect(Policy.format(several)).toContain(
      [
        "  time to open     3 s (at 10 calls a second that all time out)",
        "                   50 failures in a row: 7 s",
        "                   0.5 of at least 10 calls took 2s 1ms or longer over 30s: never: the last attempt of a call lasts 2s, which is not slow",
        "                   0.5 of at least 10 calls took 2s or longer over 30s: 3 s"
      ].join("\n")
    )
  })

  it("finds the window that is too short, whichever rule's it is", () => {
    const of = (seconds: 3 | 2) => slow("2 seconds", CircuitBreaker.time(`${seconds} seconds`))
    const { traps } = explain(CircuitBreaker.any(CircuitBreaker.consecutive(5), of(3), of(2), of(2)))
    expect(traps.map(({ message }) => message.slice(0, 19))).toEqual(["the window of 3s is", "the window of 2s is"])
  })
})
