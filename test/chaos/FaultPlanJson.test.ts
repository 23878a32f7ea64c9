import { FaultPlan } from "@effect-resilience/chaos"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either, Schema } from "effect"
import fc from "fast-check"

const millis = fc.integer({ min: 1, max: 2_147_483_647 })
const name = fc.string()

const aim = fc.record(
  {
    rate: fc.double({ min: 0, max: 1, noNaN: true }),
    methods: fc.array(name, { minLength: 1 }),
    when: name,
    from: fc.integer({ min: 0, max: 1000 }),
    until: fc.integer({ min: 1001, max: 2_147_483_647 }),
    times: fc.integer({ min: 1, max: 1_000_000_000 })
  },
  { requiredKeys: [] }
)

const ordered = fc.tuple(millis, millis).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)

const span: fc.Arbitrary<FaultPlan.Span> = fc.oneof(
  millis,
  ordered.map(([low, high]) => FaultPlan.uniform(low, high)),
  ordered.map(([median, p99]) => FaultPlan.lognormal({ median, p99 })),
  ordered.map(([low, high]) =>
    FaultPlan.quantiles([
      [0.5, low],
      [0.99, high]
    ])
  )
)

const faults: fc.Arbitrary<FaultPlan.Fault> = fc.oneof(
  fc.tuple(name, aim).map(([error, where]) => FaultPlan.fault<string, string, string>(error, where)),
  aim.map((where) => FaultPlan.defect<string, string>(where)),
  fc.tuple(span, aim).map(([latency, where]) => FaultPlan.latency<string, string>(latency, where)),
  fc.tuple(name, aim).map(([outcome, where]) => FaultPlan.outcome<string, string, string>(outcome, where)),
  aim.map((where) => FaultPlan.hang<string, string>(where)),
  aim.map((where) => FaultPlan.interrupt<string, string>(where)),
  fc.tuple(name, aim).map(([error, where]) => FaultPlan.lostReply<string, string, string>(error, where)),
  aim.map((where) => FaultPlan.lostReply<string, string>("nothing", where))
)

const plans: fc.Arbitrary<FaultPlan.FaultPlan> = fc
  .tuple(
    fc.array(fc.tuple(millis, fc.array(faults, { size: "max", maxLength: 8 })), { maxLength: 4 }),
    fc.array(faults, { size: "max", maxLength: 8 })
  )
  .map(([parts, last]) =>
    FaultPlan.phases(
      ...parts.map(([duration, all]) => FaultPlan.phase(duration, ...all)),
      FaultPlan.phase("forever", ...last)
    )
  )

const refusal = (plan: unknown) =>
  Either.match(Schema.decodeUnknownEither(FaultPlan.schema)(plan), {
    onLeft: ({ message }) => message,
    onRight: () => "accepted"
  })

describe("a plan as JSON", () => {
  it.effect("is the same plan when it was written and read, whatever is in it", () =>
    Effect.gen(function* () {
      const kinds = new Set<string>()
      const spans = new Set<string>()
      for (const plan of fc.sample(plans, 200)) {
        const text = yield* FaultPlan.toJson(plan)
        expect(yield* FaultPlan.fromJson(text)).toEqual(plan)
        for (const each of plan.phases.flatMap((part) => part.faults)) {
          kinds.add(each.kind)
          if (each.kind === "latency")
            spans.add(typeof each.latency === "object" ? Object.keys(each.latency).join() : "")
        }
      }
      expect(kinds.size).toBe(7)
      expect([...spans].toSorted()).toEqual(["", "lognormal", "quantiles", "uniform"])
    })
  )

  it.effect("is read with its times as text, as its constructors make it", () =>
    Effect.gen(function* () {
      const json = `{
        "phases": [
          { "duration": "2 minutes", "faults": [] },
          { "duration": "3 minutes", "faults": [{ "kind": "latency", "latency": "5 seconds", "until": "1 minute" }] },
          { "duration": 60000, "faults": [{ "kind": "fault", "error": "Refused", "rate": 0.5 }] },
          { "faults": [] }
        ]
      }`
      expect(yield* FaultPlan.fromJson(json)).toEqual(
        FaultPlan.phases(
          FaultPlan.phase("2 minutes"),
          FaultPlan.phase("3 minutes", FaultPlan.latency("5 seconds", { until: "1 minute" })),
          FaultPlan.phase("1 minute", FaultPlan.fault("Refused", { rate: 0.5 })),
          FaultPlan.phase("forever")
        )
      )
    })
  )

  it("says all that is wrong: numbers, misspelt options, times that are none, kinds that there are not", () => {
    const inRange = refusal({ phases: [{ faults: [{ kind: "hang", rate: 2, times: 0 }] }] })
    expect(inRange).toContain("phases[0].faults[0].rate is 2, but must be a number from 0 (included) to 1")
    expect(inRange).toContain("phases[0].faults[0].times is 0, but must be a whole number from 1")
    expect(refusal({ phases: [{ faults: [{ kind: "hang", rates: 1 }] }] })).toContain('["rates"]')
    expect(refusal({ phases: [{ duration: "2 mins", faults: [] }] })).toContain(
      'Expected a duration such as "5 seconds", actual "2 mins"'
    )
    expect(refusal({ phases: [{ duration: "-2 minutes", faults: [] }] })).toContain(
      'phases[0].duration is "-2 minutes"'
    )
    expect(refusal({ phases: [{ faults: [{ kind: "flood" }] }] })).toContain('actual "flood"')
    expect(refusal({ phases: [{ faults: [] }, { faults: [] }] })).toContain("phases[0].duration is not given")
    expect(refusal({ phases: [{ faults: [] }] })).toBe("accepted")
  })
})
