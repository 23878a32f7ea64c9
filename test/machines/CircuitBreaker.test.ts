import { CircuitBreaker, TripPolicy } from "@effect-resilience/machines"
import { describe, expect, it } from "vitest"
import { frozen } from "../support/Law.js"

const config = (changes: Partial<CircuitBreaker.Config> = {}): CircuitBreaker.Config => ({
  tripPolicy: TripPolicy.consecutive(1),
  openMillis: () => 30_000,
  openJitter: 0,
  maxOpenMillis: 300_000,
  probes: 1,
  successThreshold: 1,
  probeTimeoutMillis: 2000,
  ...changes
})

const success: CircuitBreaker.Outcome = { _tag: "Success", retryAfterMillis: 0, lastedMillis: 0 }
const failure: CircuitBreaker.Outcome = { _tag: "Failure", retryAfterMillis: 0, lastedMillis: 0 }
const ignored: CircuitBreaker.Outcome = { _tag: "Ignored", retryAfterMillis: 0, lastedMillis: 0 }
const askingFor = (outcome: CircuitBreaker.Outcome, retryAfterMillis: number) => ({ ...outcome, retryAfterMillis })

/** A circuit with callers, for reading a story from top to bottom. It asks for a permit once, as `acquire` is. */
const circuit = (of: CircuitBreaker.Config, random = 0.5) => {
  let state = CircuitBreaker.withJitter(CircuitBreaker.initial(of), random)
  const ask = (nowMillis: number): CircuitBreaker.Decision => {
    const [decision, next] = CircuitBreaker.acquire(of, frozen(state), nowMillis)
    state = next
    return decision
  }
  const admit = (nowMillis: number): CircuitBreaker.Permit => {
    const decision = ask(nowMillis)
    if (decision._tag === "Rejected") throw new Error(`refused at ${nowMillis}`)
    return decision.permit
  }
  const end = (permit: CircuitBreaker.Permit, outcome: CircuitBreaker.Outcome, nowMillis: number) => {
    const [transition, next] = CircuitBreaker.settle(of, frozen(state), permit, outcome, nowMillis)
    state = next
    return transition
  }
  return {
    ask,
    admit,
    end,
    call: (outcome: CircuitBreaker.Outcome, nowMillis: number) => end(admit(nowMillis), outcome, nowMillis),
    state: () => state,
    read: (nowMillis: number) => CircuitBreaker.snapshot(of, state, nowMillis),
    refusal: (nowMillis: number) => CircuitBreaker.peek(of, state, nowMillis)
  }
}

/** Tripped at 0, so that the next call is let through at 30 s. */
const tripped = (of: CircuitBreaker.Config) => {
  const breaker = circuit(of)
  breaker.call(failure, 0)
  return breaker
}

describe("closed", () => {
  it("starts with nothing told, no opening behind it, and lets every call through", () => {
    const breaker = circuit(config())
    expect(breaker.read(0)).toEqual({
      state: "Closed",
      calls: 0,
      failures: 0,
      failureRate: 0,
      slow: 0,
      slowRate: 0,
      openings: 0,
      retryAfterMillis: 0,
      probing: 0
    })
    const permit = { generation: 0, startedMillis: 5 }
    expect(breaker.ask(5)).toEqual({ _tag: "Admitted", permit })
    const state = CircuitBreaker.initial(config())
    expect(state._tag === "Closed" && CircuitBreaker.granted(state, 5)).toEqual(permit)
    expect(CircuitBreaker.initial(config())).toEqual({
      _tag: "Closed",
      generation: 0,
      openings: 0,
      jitter: 0.5,
      memory: TripPolicy.empty(config().tripPolicy),
      sinceMillis: 0,
      lastOpenMillis: 0
    })
  })

  it("trips on the outcome that breaches its policy and says with which numbers", () => {
    const policy = TripPolicy.rate({
      threshold: 0.5,
      minimumCalls: 4,
      window: { _tag: "Count", size: 10, maxAgeMillis: 600_000 }
    })
    const breaker = circuit(config({ tripPolicy: policy }))
    expect([failure, failure, success].map((outcome) => breaker.call(outcome, 10))).toEqual([
      undefined,
      undefined,
      undefined
    ])
    const cause = { _tag: "Rate", failures: 2, calls: 4, threshold: 0.5 }
    expect(breaker.call(success, 20)).toEqual({ from: "Closed", to: "Open", cause, atMillis: 20 })
    expect(breaker.ask(21)).toEqual({ _tag: "Rejected", state: "Open", retryAfterMillis: 29_999, reason: cause })
  })

  it("tells its calls and failures, and those of old no more", () => {
    const policy = TripPolicy.consecutive(5, 1000)
    const breaker = circuit(config({ tripPolicy: policy }))
    breaker.call(failure, 0)
    breaker.call(success, 500)
    expect(breaker.read(500)).toMatchObject({ calls: 2, failures: 1 })
    expect(breaker.read(1000)).toMatchObject({ calls: 1, failures: 0 })
    expect(breaker.read(1500)).toMatchObject({ calls: 0, failures: 0 })
  })

  it("counts no ignored outcome, not even one that asks for a delay", () => {
    const breaker = circuit(config())
    const before = breaker.state()
    expect(breaker.call(askingFor(ignored, 5000), 0)).toBeUndefined()
    expect(breaker.state()).toBe(before)
  })
})

describe("open", () => {
  it("lets nothing through until its time is over and lets the next call through at exactly that moment", () => {
    const breaker = tripped(config())
    expect(breaker.ask(0)).toMatchObject({ _tag: "Rejected", state: "Open", retryAfterMillis: 30_000 })
    expect(breaker.ask(29_999)).toMatchObject({ _tag: "Rejected", state: "Open", retryAfterMillis: 1 })
    expect(breaker.ask(30_000)).toEqual({
      _tag: "Admitted",
      permit: { generation: 2, startedMillis: 30_000 },
      transition: { from: "Open", to: "HalfOpen", cause: { _tag: "Due" }, atMillis: 30_000 }
    })
  })

  it("reports half-open at the next call as of the moment it became due, and readers see it from then on", () => {
    const breaker = tripped(config())
    expect(breaker.read(29_999)).toMatchObject({ state: "Open", retryAfterMillis: 1, openings: 1 })
    expect(breaker.read(30_000)).toMatchObject({ state: "HalfOpen", retryAfterMillis: 0, openings: 1, probing: 0 })
    expect(breaker.ask(99_000).transition).toMatchObject({ to: "HalfOpen", atMillis: 30_000 })
  })

  it("is stretched or shrunk by its jitter, one random number per opening", () => {
    const lengths = [0, 0.25, 0.5, 0.75, 0.999999].map((random) => {
      const breaker = circuit(config({ openJitter: 0.1 }), random)
      breaker.call(failure, 0)
      return breaker.read(0).retryAfterMillis
    })
    expect(lengths).toEqual([27_000, 28_500, 30_000, 31_500, 33_000])
  })

  it("lasts a whole millisecond at least", () => {
    expect(tripped(config({ openMillis: () => 0 })).read(0).retryAfterMillis).toBe(1)
    expect(tripped(config({ openMillis: () => 10.4 })).read(0).retryAfterMillis).toBe(10)
    const deferred = tripped(config({ maxOpenMillis: 0 }))
    deferred.call(askingFor(ignored, 5000), 30_000)
    expect(deferred.read(30_000)).toMatchObject({ state: "Open", retryAfterMillis: 1 })
  })

  it("is lengthened by what the tripping failure asked for, up to the limit, and never shortened", () => {
    const lengths = [1, 30_000, 30_000.2, 45_000, 300_000, 300_001, Infinity].map((asked) => {
      const breaker = circuit(config())
      breaker.call(askingFor(failure, asked), 0)
      return breaker.read(0).retryAfterMillis
    })
    expect(lengths).toEqual([30_000, 30_000, 30_001, 45_000, 300_000, 300_000, 300_000])
    const limited = circuit(config({ maxOpenMillis: 1000 }))
    limited.call(askingFor(failure, 5000), 0)
    expect(limited.read(0).retryAfterMillis).toBe(30_000)
  })

  it("is not lengthened by a success that trips", () => {
    const window = { _tag: "Count", size: 10, maxAgeMillis: 600_000 } as const
    const breaker = circuit(config({ tripPolicy: TripPolicy.rate({ threshold: 0.5, minimumCalls: 2, window }) }))
    breaker.call(failure, 0)
    breaker.call(askingFor(success, 99_000), 0)
    expect(breaker.read(0)).toMatchObject({ state: "Open", retryAfterMillis: 30_000 })
  })
})

describe("open, told of a call that it never let through", () => {
  it("stays as it is, whatever the outcome", () => {
    const breaker = tripped(config())
    const before = breaker.state()
    const permit = { generation: before.generation, startedMillis: 1 }
    for (const outcome of [success, failure, ignored]) expect(breaker.end(permit, outcome, 2)).toBeUndefined()
    expect(breaker.state()).toBe(before)
  })
})

describe("half-open", () => {
  it("lets one call through at a time and tells the others how long the probe may still take", () => {
    const breaker = tripped(config())
    breaker.admit(30_000)
    expect(breaker.ask(30_500)).toEqual({
      _tag: "Rejected",
      state: "HalfOpen",
      retryAfterMillis: 1500,
      reason: { _tag: "Probing", probes: 1 }
    })
    expect(breaker.read(30_500)).toMatchObject({ state: "HalfOpen", probing: 1, retryAfterMillis: 0 })
  })

  it("lets as many through at a time as it has probes", () => {
    const breaker = tripped(config({ probes: 3, successThreshold: 9 }))
    const permits = [30_000, 30_000, 30_010].map((nowMillis) => breaker.admit(nowMillis))
    expect(breaker.ask(30_020)).toMatchObject({ _tag: "Rejected", state: "HalfOpen", retryAfterMillis: 1980 })
    permits.forEach((permit) => breaker.end(permit, success, 30_030))
    expect(breaker.read(30_030)).toMatchObject({ state: "HalfOpen", probing: 0 })
  })

  it("closes after its threshold of successes, forgetting what was counted before", () => {
    const breaker = tripped(config({ successThreshold: 2 }))
    expect(breaker.call(success, 30_000)).toBeUndefined()
    const cause = { _tag: "ProbesSucceeded", successes: 2 }
    expect(breaker.call(success, 30_005)).toEqual({ from: "HalfOpen", to: "Closed", cause, atMillis: 30_005 })
    expect(breaker.read(30_005)).toMatchObject({ state: "Closed", calls: 0, failures: 0 })
  })

  it("reopens at the first failure, as the next opening in a row, lengthened by what the failure asked for", () => {
    const openMillis = (opening: number) => opening * 10_000
    const breaker = tripped(config({ openMillis, probes: 2 }))
    const [first, second] = [breaker.admit(10_000), breaker.admit(10_000)]
    const transition = { from: "HalfOpen", to: "Open", cause: { _tag: "ProbeFailed" }, atMillis: 10_100 }
    expect(breaker.end(first, failure, 10_100)).toEqual(transition)
    expect(breaker.read(10_100)).toMatchObject({ state: "Open", openings: 2, retryAfterMillis: 20_000 })
    expect(breaker.end(second, success, 10_200)).toBeUndefined()
    breaker.call(askingFor(failure, 99_000), 30_100)
    expect(breaker.read(30_100)).toMatchObject({ openings: 3, retryAfterMillis: 99_000 })
  })

  it("reopens at a slow success if a rule counts slow calls, though not at an ignored one, and says how slow", () => {
    const window = { _tag: "Count", size: 10, maxAgeMillis: 600_000 } as const
    const slow = TripPolicy.slow({ threshold: 1, slowerThanMillis: 500, minimumCalls: 9, window })
    const breaker = tripped(config({ tripPolicy: TripPolicy.any([slow, TripPolicy.consecutive(1)]) }))
    const lasting = (outcome: CircuitBreaker.Outcome, lastedMillis: number) => ({ ...outcome, lastedMillis })
    expect(breaker.call(lasting(ignored, 500), 30_000)).toBeUndefined()
    const cause = { _tag: "ProbeSlow", lastedMillis: 500, slowerThanMillis: 500 }
    expect(breaker.call(lasting(success, 500), 30_000)).toMatchObject({ from: "HalfOpen", to: "Open", cause })
    expect(breaker.read(30_000)).toMatchObject({ state: "Open", openings: 2 })
    expect(breaker.call(lasting(success, 499), 60_000)).toMatchObject({ to: "Closed" })
  })

  it("gets the slot back from an ignored outcome and counts nothing", () => {
    const breaker = tripped(config())
    expect(breaker.call(ignored, 30_000)).toBeUndefined()
    expect(breaker.read(30_000)).toMatchObject({ state: "HalfOpen", probing: 0 })
    expect(breaker.ask(30_000)).toMatchObject({ _tag: "Admitted" })
  })

  it("reopens until the moment that an ignored probe was asked to wait for, up to the limit", () => {
    const deferredBy = (asked: number) => {
      const breaker = tripped(config())
      return { transition: breaker.call(askingFor(ignored, asked), 30_000), ...breaker.read(30_000) }
    }
    const cause = { _tag: "ProbeDeferred", retryAfterMillis: 5000 }
    const transition = { from: "HalfOpen", to: "Open", cause, atMillis: 30_000 }
    expect(deferredBy(5000)).toMatchObject({ transition, state: "Open", retryAfterMillis: 5000, openings: 1 })
    expect(deferredBy(0.1)).toMatchObject({ state: "Open", retryAfterMillis: 1 })
    expect(deferredBy(1e9)).toMatchObject({ state: "Open", retryAfterMillis: 300_000 })
  })

  it("stays half-open for as long as nobody calls", () => {
    const breaker = tripped(config())
    breaker.call(ignored, 30_000)
    expect(breaker.read(1e12)).toMatchObject({ state: "HalfOpen", openings: 1 })
    expect(breaker.ask(1e12)).toEqual({ _tag: "Admitted", permit: { generation: 2, startedMillis: 1e12 } })
  })
})

describe("a probe that hangs", () => {
  const hung = () => {
    const breaker = tripped(config({ openMillis: (opening) => opening * 10_000 }))
    return { breaker, permit: breaker.admit(10_000) }
  }

  it("keeps its slot until one millisecond before its time limit and loses it at exactly the limit", () => {
    const { breaker } = hung()
    expect(breaker.ask(11_999)).toMatchObject({ _tag: "Rejected", state: "HalfOpen", retryAfterMillis: 1 })
    const cause = { _tag: "ProbeTimedOut", probeTimeoutMillis: 2000 }
    const transition = { from: "HalfOpen", to: "Open", cause, atMillis: 12_000 }
    expect(breaker.ask(12_000)).toEqual({
      _tag: "Rejected",
      state: "Open",
      retryAfterMillis: 20_000,
      reason: cause,
      transition
    })
    expect(breaker.read(12_000)).toMatchObject({ state: "Open", openings: 2 })
  })

  it("succeeds if it ends one millisecond before its limit", () => {
    const { breaker, permit } = hung()
    expect(breaker.end(permit, success, 11_999)).toMatchObject({ to: "Closed" })
  })

  it("counts for nothing if it ends at its limit or later, whatever its outcome", () => {
    for (const outcome of [success, failure, askingFor(failure, 99_000), ignored, askingFor(ignored, 99_000)]) {
      const { breaker, permit } = hung()
      expect(breaker.end(permit, outcome, 12_000)).toMatchObject({ to: "Open", cause: { _tag: "ProbeTimedOut" } })
      expect(breaker.read(12_000)).toMatchObject({ state: "Open", retryAfterMillis: 20_000, openings: 2 })
      expect(breaker.end(permit, outcome, 12_001)).toBeUndefined()
    }
  })

  it("reopens as of its limit, so that a caller who comes after the opening too is let through when he asks again", () => {
    const { breaker } = hung()
    expect(breaker.refusal(40_000)).toBeUndefined()
    expect(breaker.ask(40_000)).toMatchObject({
      _tag: "Rejected",
      retryAfterMillis: 0,
      transition: { from: "HalfOpen", to: "Open", atMillis: 12_000 }
    })
    expect(breaker.ask(40_000)).toMatchObject({
      _tag: "Admitted",
      transition: { from: "Open", to: "HalfOpen", atMillis: 32_000 }
    })
  })

  it("is the oldest one when several are under way, and ends the others' time too", () => {
    const breaker = tripped(config({ probes: 2, successThreshold: 2 }))
    breaker.admit(30_000)
    const second = breaker.admit(31_000)
    expect(breaker.end(second, success, 32_000)).toMatchObject({ to: "Open", atMillis: 32_000 })
  })

  it("is measured from its own beginning, not from that of a probe which has ended", () => {
    const breaker = tripped(config({ probes: 2, successThreshold: 9 }))
    const first = breaker.admit(30_000)
    breaker.admit(31_000)
    breaker.end(first, success, 31_500)
    expect(breaker.read(32_999)).toMatchObject({ state: "HalfOpen", probing: 1 })
    expect(breaker.read(33_000)).toMatchObject({ state: "Open" })
  })
})

describe("a call from an older generation", () => {
  it("changes nothing when it ends, whatever the state and though its outcome would trip or close it", () => {
    const of = config()
    const breaker = circuit(of)
    const late = breaker.admit(0)
    const unmoved = (nowMillis: number) => {
      for (const outcome of [failure, success, ignored, askingFor(ignored, 5000), askingFor(failure, 5000)]) {
        const before = breaker.state()
        expect(breaker.end(late, outcome, nowMillis)).toBeUndefined()
        expect(breaker.state()).toBe(before)
      }
      return breaker.state()._tag
    }
    breaker.call(failure, 0)
    expect(unmoved(10)).toBe("Open")
    const probe = breaker.admit(30_000)
    expect(unmoved(30_010)).toBe("HalfOpen")
    breaker.end(probe, success, 30_020)
    expect(unmoved(30_030)).toBe("Closed")
  })
})

describe("openings in a row", () => {
  const recovered = () => {
    const breaker = circuit(config({ openMillis: (opening) => opening * 10_000 }))
    breaker.call(failure, 0)
    breaker.call(failure, 10_000)
    breaker.call(success, 30_000)
    return breaker
  }

  it("survive a close, so that the next opening is longer", () => {
    const breaker = recovered()
    expect(breaker.read(49_999)).toMatchObject({ state: "Closed", openings: 2 })
    breaker.call(failure, 49_999)
    expect(breaker.read(49_999)).toMatchObject({ openings: 3, retryAfterMillis: 30_000 })
  })

  it("are forgotten once the circuit has stayed closed as long as it was last open", () => {
    const breaker = recovered()
    expect(breaker.read(50_000)).toMatchObject({ state: "Closed", openings: 0 })
    breaker.call(failure, 50_000)
    expect(breaker.read(50_000)).toMatchObject({ openings: 1, retryAfterMillis: 10_000 })
  })
})
