import { describe, expect, it } from "@effect/vitest"
import * as Chance from "../../../examples/order-service/dependencies/Chance.js"
import * as Weather from "../../../examples/order-service/dependencies/Weather.js"
import { quantile } from "../../../examples/order-service/demo/Statistics.js"

const draws = (seed: number, stream: string, length: number): ReadonlyArray<Chance.Draw> =>
  Array.from({ length }, (_, index) => ({ seed, stream, index }))

describe("Chance", () => {
  it("is even: a tenth of the draws falls into each tenth", () => {
    for (const seed of [0, 1, 2, 2_147_483_647]) {
      const tenths = draws(seed, "x", 20_000).map((draw) => Math.floor(Chance.uniform(draw) * 10))
      for (let tenth = 0; tenth < 10; tenth++) {
        expect(Math.abs(tenths.filter((t) => t === tenth).length / 2000 - 1)).toBeLessThan(0.1)
      }
    }
  })

  it("does not tell one draw by the one before, nor one stream by another", () => {
    const correlation = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number =>
      (12 * a.reduce((sum, x, i) => sum + (x - 0.5) * ((b[i] ?? 0) - 0.5), 0)) / a.length
    const one = draws(1, "a", 10_000).map(Chance.uniform)
    expect(Math.abs(correlation(one, one.slice(1)))).toBeLessThan(0.04)
    expect(Math.abs(correlation(one, draws(1, "b", 10_000).map(Chance.uniform)))).toBeLessThan(0.04)
    expect(Math.abs(correlation(one, draws(2, "a", 10_000).map(Chance.uniform)))).toBeLessThan(0.04)
  })

  it("gives latencies with a median of 50 ms and a modest tail", () => {
    const latencies = draws(1, "pricing", 20_000).map(Weather.latencyMillis)
    expect(Math.abs(quantile(latencies, 0.5) - 50)).toBeLessThan(2)
    expect(quantile(latencies, 0.99)).toBeGreaterThan(120)
    expect(quantile(latencies, 0.99)).toBeLessThan(160)
  })

  it("lets one request in two hundred go wrong, half of them after the work was done, the same ones again", () => {
    const faults = draws(4, "payment", 100_000).map(Weather.faultOf)
    expect(faults).toEqual(draws(4, "payment", 100_000).map(Weather.faultOf))
    const share = (fault: Weather.Fault): number => faults.filter((f) => f === fault).length / faults.length
    expect(Math.abs(share("refused") - 0.0025)).toBeLessThan(0.0006)
    expect(Math.abs(share("answer-lost") - 0.0025)).toBeLessThan(0.0006)
  })
})
