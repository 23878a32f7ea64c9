import { describe, expect, it } from "vitest"
import { limited, type Setting } from "../../../bench/load/Limited.js"
import { overload, setting } from "../../../bench/load/overload.js"

const capacity = 1000
const service = setting.serviceMillis
const rowsOf = (policy: Parameters<typeof overload>[0], seed = 1) => {
  const [settling, ease, overloaded, after, later] = overload(policy, seed)
  if (!settling || !ease || !overloaded || !after || !later) throw new Error("a phase is missing")
  return { settling, ease, overloaded, after, later }
}

describe("a server of 1000/s that is asked 2000 times a second", () => {
  it("without a limit answers hardly anybody in time, then and for the minute after", () => {
    const { after, ease, later, overloaded } = rowsOf("none")
    expect(ease.goodput).toBeGreaterThan(680)
    expect(overloaded.goodput).toBeLessThan(0.05 * capacity)
    expect(Math.max(after.goodput, later.goodput)).toBeLessThan(0.05 * capacity)
  })

  it("with the right fixed limit does all it can", () => {
    const { overloaded } = rowsOf("fixed")
    expect(overloaded.goodput).toBeGreaterThan(0.98 * capacity)
    expect(overloaded.p99).toBeLessThan(5.5 * service)
  })

  it("with aimd is late, since only timeouts lower the limit", () => {
    const { ease, overloaded } = rowsOf("aimd")
    expect(ease.refused).toBeLessThan(0.005)
    expect(overloaded.p99).toBeGreaterThan(15 * service)
  })

  it("with vegas and gradient2 refuses what it could do, where service times are spread widely", () => {
    const [vegas, gradient2] = [rowsOf("vegas"), rowsOf("gradient2")]
    expect(Math.min(vegas.ease.refused, gradient2.ease.refused)).toBeGreaterThan(0.3)
    expect(Math.max(vegas.overloaded.p99, gradient2.overloaded.p99)).toBeLessThan(5.5 * service)
  })

  it("with the default does all it can, in time, refuses nobody at its ease, and is back within 30 s", () => {
    for (const seed of [1, 2, 3]) {
      const { after, ease, later, overloaded } = rowsOf("knee", seed)
      expect(ease.refused).toBeLessThanOrEqual(0.005)
      expect(overloaded.goodput).toBeGreaterThanOrEqual(0.98 * capacity)
      expect(overloaded.p99).toBeLessThanOrEqual(5.5 * service)
      expect(after.goodput).toBeGreaterThanOrEqual(0.97 * 700)
      expect(later.refused).toBeLessThanOrEqual(0.005)
      expect(overloaded.limit).toBeGreaterThan(50)
      expect(overloaded.limit).toBeLessThan(85)
    }
  })
})

describe("the default limit", () => {
  const phases = (change: Partial<Setting>, list: Setting["phases"]) =>
    limited("knee", { ...setting, ...change, phases: list }, 1).map((tally, place) =>
      tally.row("", "", list[place]?.seconds ?? 1)
    )

  it("that was far too high to begin with finds its place in the middle of an overload", () => {
    const [, later] = phases({ initial: 500 }, [
      { perSecond: 2000, seconds: 20 },
      { perSecond: 2000, seconds: 30 }
    ])
    expect(later?.goodput).toBeGreaterThan(0.98 * capacity)
    expect(later?.limit).toBeLessThan(85)
  })

  it("does not drift while few calls come, and is ready when many do", () => {
    const [low, , high] = phases({}, [
      { perSecond: 5, seconds: 600 },
      { perSecond: 2000, seconds: 10 },
      { perSecond: 2000, seconds: 30 }
    ])
    expect(low).toMatchObject({ refused: 0, limit: setting.initial })
    expect(high?.goodput).toBeGreaterThan(0.98 * capacity)
    expect(high?.p99).toBeLessThan(5.5 * service)
  })

  it("does what a server of a tenth of the speed can for a minute, and does not take that for normal", () => {
    const [, slow, , after, overloaded] = phases({}, [
      { perSecond: 700, seconds: 30 },
      { perSecond: 700, seconds: 60, slower: 10 },
      { perSecond: 700, seconds: 20 },
      { perSecond: 700, seconds: 20 },
      { perSecond: 2000, seconds: 40 }
    ])
    expect(slow?.goodput).toBeGreaterThan(0.65 * 0.1 * capacity)
    expect(after?.refused).toBeLessThanOrEqual(0.005)
    expect(overloaded?.p99).toBeLessThan(5.5 * service)
  })

  it("follows a capacity that halves and returns", () => {
    const [, , half, , after] = phases({}, [
      { perSecond: 700, seconds: 30 },
      { perSecond: 700, seconds: 10, workers: 25 },
      { perSecond: 700, seconds: 60, workers: 25 },
      { perSecond: 700, seconds: 10 },
      { perSecond: 700, seconds: 40 }
    ])
    expect(half?.goodput).toBeGreaterThan(0.97 * 500)
    expect(half?.p99).toBeLessThan(5.5 * service)
    expect(after?.refused).toBeLessThanOrEqual(0.005)
  })

  it("is not moved by bursts, nor by the few calls that are timed out whatever the limit", () => {
    const bursts = Array.from({ length: 10 }, (_, n) => ({ perSecond: n % 2 === 0 ? 2000 : 100, seconds: 3 }))
    const list = [{ perSecond: 700, seconds: 20 }, ...bursts, { perSecond: 700, seconds: 30 }]
    expect(phases({}, list).at(-1)?.refused).toBeLessThanOrEqual(0.005)
    const [, ease, overloaded] = phases({ timeoutMillis: 180 }, setting.phases)
    expect(ease?.refused).toBeLessThanOrEqual(0.005)
    expect(overloaded?.goodput).toBeGreaterThan(0.95 * capacity)
  })
})
