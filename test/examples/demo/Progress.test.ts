import { describe, expect, it } from "@effect/vitest"
import * as Progress from "../../../examples/order-service/demo/Progress.js"
import { Seen } from "../../../examples/order-service/demo/Run.js"

const page = { kind: "page", slipMillis: 0, latencyMillis: 1, confirmed: false, pending: false, wrong: false } as const

describe("Progress", () => {
  it("counts what ended how, without the warm-up, and follows the phase and payment's circuit", () => {
    const seen = [
      Seen.PhaseStarted({ phase: "slow" }),
      Seen.Outcomes({
        outcomes: [
          { ...page, at: -5, result: "answered" },
          { ...page, at: 5, result: "answered" },
          { ...page, at: 6, result: "failed" },
          { ...page, kind: "order", at: 6, result: "degraded" }
        ]
      }),
      Seen.CircuitChanged({ policy: "reviews", to: "Open", at: 1 }),
      Seen.SocketsSampled({ at: 2, inUse: 100, waiting: 31, cpuMillis: 1 })
    ]
    const state = seen.reduce(Progress.step, Progress.initial)
    expect(Progress.line("on", state)).toBe(
      "effect-resilience | slow | pages 1 ok 0 degraded 1 failed | orders 0 ok 1 degraded 0 failed | sockets 100, waiting 31 | circuit Closed"
    )
    const later = Progress.step(state, Seen.CircuitChanged({ policy: "payment", to: "Open", at: 3 }))
    expect(Progress.line("on", later)).toContain("circuit Open")
    expect(Progress.line("on", Progress.step(later, Seen.Drain({ left: 12 })))).toContain("draining, 12 orders left")
  })

  it("has a bar that never overflows", () => {
    expect(Progress.bar(0, 4)).toBe("[    ]")
    expect(Progress.bar(0.5, 4)).toBe("[==  ]")
    expect(Progress.bar(7, 4)).toBe("[====]")
    expect(Progress.bar(-1, 4)).toBe("[    ]")
  })
})
