import { FaultInjection, FaultPlan } from "@effect-resilience/chaos"
import { Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Chunk, Context, Duration, Effect, Exit, Fiber, Layer, Stream, TestClock } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { Listener } from "../support/Listener.js"
import { begin, during, ended, failureOf } from "../support/Passing.js"

interface Bank {
  readonly charge: (cents: number) => Effect.Effect<string, Unavailable>
  readonly events: Stream.Stream<number, Unavailable>
}
class BankTag extends Context.Tag("test/Bank")<BankTag, Bank>() {}

const { defect, fault, hang, interrupt, latency, lostReply, make, outcome, phase, phases } = FaultPlan

const unavailable = () => new Unavailable({})

/** The bank with a plan in between, and how often it was really asked. */
const faulty = <F extends FaultPlan.Fault>(
  plan: FaultPlan.FaultPlan<F>,
  options: Parameters<typeof FaultInjection.wrap<Bank, FaultPlan.Fault>>[2] = { name: "bank" }
) =>
  Effect.gen(function* () {
    const dependency = new Dependency()
    const real: Bank = {
      charge: (cents) =>
        dependency.ask(
          cents < 0
            ? Effect.fail(new Unavailable({ retryAfter: Duration.minutes(1) }))
            : Effect.succeed(`charged ${cents}`)
        ),
      events: Stream.concat(Stream.make(1), Stream.fromEffect(dependency.ask(Effect.succeed(2))))
    }
    const all: FaultPlan.FaultPlan = plan
    const layer = FaultInjection.layer(BankTag, all, {
      errors: { Down: unavailable },
      predicates: { big: ({ args: [cents = 0] }) => cents >= 100 },
      ...options
    })
    const bank = Context.get(yield* Layer.build(Layer.provide(layer, Layer.succeed(BankTag, real))), BankTag)
    return { bank, dependency, real }
  })

const collected = (stream: Stream.Stream<number, Unavailable>) =>
  Effect.map(Stream.runCollect(stream), Chunk.toReadonlyArray)

describe("a service with a plan in between", () => {
  it.scoped("delays a call by the sum of its latencies and then fails it, without asking the service", () =>
    Effect.gen(function* () {
      const { bank, dependency } = yield* faulty(make(latency("2 seconds"), fault("Down"), latency("1 hour")))
      const call = yield* begin(bank.charge(1))
      yield* TestClock.adjust("1999 millis")
      expect(yield* Fiber.poll(call)).toMatchObject({ _tag: "None" })
      yield* TestClock.adjust("1 milli")
      expect(failureOf(yield* ended(call))).toBeInstanceOf(Unavailable)
      expect(dependency.asked).toBe(0)
    })
  )

  it.scoped("adds latencies up before the service is asked, once", () =>
    Effect.gen(function* () {
      const { bank, dependency } = yield* faulty(make(latency("2 seconds"), latency("1 second")))
      const call = yield* begin(bank.charge(1))
      yield* TestClock.adjust("2999 millis")
      expect(dependency.asked).toBe(0)
      yield* TestClock.adjust("1 milli")
      expect(yield* ended(call)).toEqual(Exit.succeed("charged 1"))
      expect(dependency.asked).toBe(1)
    })
  )

  it.scoped("does not ask the service for a call that is interrupted while it is delayed or hangs", () =>
    Effect.gen(function* () {
      const { bank, dependency } = yield* faulty(
        phases(phase("1 second", latency("5 seconds")), phase("forever", hang()))
      )
      const delayed = yield* begin(bank.charge(1))
      yield* TestClock.adjust("4 seconds")
      const hanging = yield* begin(bank.charge(2))
      yield* TestClock.adjust("500 millis")
      for (const call of [delayed, hanging]) {
        expect(yield* Fiber.poll(call)).toMatchObject({ _tag: "None" })
        expect(Exit.isInterrupted(yield* Fiber.interrupt(call))).toBe(true)
      }
      yield* TestClock.adjust("1 hour")
      expect(dependency.asked).toBe(0)
    })
  )

  it.scoped("makes a defect, another result and an interruption of calls, none of which asks the service", () =>
    Effect.gen(function* () {
      const plan: FaultPlan.FaultPlan<FaultPlan.DefectFault | FaultPlan.InterruptFault> = make(
        defect({ times: 1 }),
        interrupt({ times: 1 })
      )
      const { bank, dependency } = yield* faulty(plan)
      const died = yield* Effect.exit(bank.charge(1))
      expect(failureOf(died)).toEqual(new FaultInjection.InjectedDefect({ policy: "bank", method: "charge" }))
      expect(Exit.isFailure(died) && Cause.isDie(died.cause)).toBe(true)
      const interrupted = yield* Effect.exit(bank.charge(1))
      expect(Exit.isFailure(interrupted) && Cause.isInterruptedOnly(interrupted.cause)).toBe(true)
      expect(dependency.asked).toBe(0)
      expect(yield* bank.charge(1)).toBe("charged 1")
    })
  )

  it.scoped("gives the named result, made of the call", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const real: Bank = { charge: () => dependency.answers(), events: Stream.empty }
      const bank = yield* FaultInjection.wrap(real, make(outcome("Free", { methods: ["charge"] })), {
        name: "bank",
        outcomes: { Free: (call) => (call.method === "charge" ? `free instead of ${call.args[0]}` : "") }
      })
      expect(yield* bank.charge(5)).toBe("free instead of 5")
      expect(dependency.asked).toBe(0)
    })
  )

  it.scoped("loses a reply after the service did its work, once: as a failure, or as silence", () =>
    Effect.gen(function* () {
      const { bank, dependency } = yield* faulty(make(lostReply("Down", { times: 2 }), lostReply("nothing")))
      expect(failureOf(yield* Effect.exit(bank.charge(1)))).toBeInstanceOf(Unavailable)
      expect(dependency.asked).toBe(1)
      expect(yield* Effect.flip(bank.charge(-1))).not.toHaveProperty("retryAfter")
      expect(dependency.asked).toBe(2)
      const silent = yield* begin(bank.charge(1))
      yield* TestClock.adjust("1 hour")
      expect(dependency.asked).toBe(3)
      expect(Exit.isInterrupted(yield* Fiber.interrupt(silent))).toBe(true)
      expect(dependency.running).toBe(0)
    })
  )

  it.scoped("hits a Stream before its first element, and loses its reply once it has run", () =>
    Effect.gen(function* () {
      const { bank, dependency } = yield* faulty(
        phases(
          phase("1 second", fault("Down")),
          phase("1 second", latency("5 seconds")),
          phase("10 seconds", lostReply("Down"))
        )
      )
      expect(failureOf(yield* Effect.exit(collected(bank.events)))).toBeInstanceOf(Unavailable)
      expect(dependency.asked).toBe(0)
      yield* TestClock.adjust("1 second")
      const first: Array<number> = []
      const slow = yield* begin(collected(Stream.tap(bank.events, (n) => Effect.sync(() => first.push(n)))))
      yield* TestClock.adjust("4999 millis")
      expect(first).toEqual([])
      yield* TestClock.adjust("1 milli")
      expect(yield* ended(slow)).toEqual(Exit.succeed([1, 2]))
      expect(failureOf(yield* Effect.exit(collected(bank.events)))).toBeInstanceOf(Unavailable)
      expect(dependency.asked).toBe(2)
    })
  )

  it.scoped("plays its phases by the clock, from when it was built, and is normal afterwards", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1 hour")
      const { bank } = yield* faulty(
        phases(phase("2 minutes"), phase("3 minutes", latency("5 seconds")), phase("1 minute", fault("Down")))
      )
      const seen: Array<string> = []
      for (let minute = 0; minute < 7; minute++) {
        const exit = yield* during("30 seconds", Effect.timed(bank.charge(1)))
        seen.push(Exit.match(exit, { onFailure: () => "down", onSuccess: ([took]) => `${took}` }))
        yield* TestClock.adjust("30 seconds")
      }
      expect(seen).toEqual(
        [0, 0, 5, 5, 5].map((n) => `Duration(${n === 0 ? "0" : `${n}s`})`).concat("down", "Duration(0)")
      )
    })
  )

  it.scoped("asks the predicate about the call", () =>
    Effect.gen(function* () {
      const { bank } = yield* faulty(make(fault("Down", { when: "big", methods: ["charge"] })))
      expect(yield* bank.charge(99)).toBe("charged 99")
      expect(failureOf(yield* Effect.exit(bank.charge(100)))).toBeInstanceOf(Unavailable)
    })
  )

  it.scoped("asks the gate at each call, and is not there where it says no", () =>
    Effect.gen(function* () {
      let open = false
      const asked: Array<FaultPlan.Call> = []
      const gate = (call: FaultPlan.Call) => {
        asked.push(call)
        return open
      }
      const { bank, dependency } = yield* faulty(make(fault("Down", { times: 1 })), { name: "bank", gate })
      expect(yield* bank.charge(7)).toBe("charged 7")
      open = true
      expect(failureOf(yield* Effect.exit(bank.charge(8)))).toBeInstanceOf(Unavailable)
      expect(asked).toEqual([7, 8].map((cents) => ({ method: "charge", args: [cents], now: 0 })))
      expect(dependency.asked).toBe(1)
    })
  )

  it.scoped("decides each run anew: a policy around it repeats what was hit", () =>
    Effect.gen(function* () {
      const { bank, dependency } = yield* faulty(make(fault("Down", { times: 2 })))
      const policy = yield* Policy.standard("bank", { retry: { maxRetries: 2 } })
      expect(yield* during("10 seconds", policy.protect(bank.charge(1)))).toEqual(Exit.succeed("charged 1"))
      expect(dependency.asked).toBe(1)
    })
  )

  it.scoped("gives the same run for the same seed, whoever else draws, and another for another", () =>
    Effect.gen(function* () {
      const run = (seed: number) =>
        Effect.gen(function* () {
          const { bank } = yield* faulty(make(fault("Down", { rate: 0.5 })), { name: "bank", seed })
          const exits = yield* Effect.forEach(Array.from({ length: 64 }), () => Effect.exit(bank.charge(1)))
          return exits.map((exit) => (Exit.isSuccess(exit) ? "." : "x")).join("")
        })
      const one = yield* run(1)
      expect(yield* run(1)).toBe(one)
      expect(yield* run(2)).not.toBe(one)
      expect(one).toMatch(/x.*\..*x/)
    })
  )

  it.scoped("reports each fault, marked as chaos", () =>
    Effect.gen(function* () {
      const listener = new Listener()
      const { bank } = yield* faulty(make(latency("2 seconds"), fault("Down")))
      yield* TestClock.adjust("1 second")
      yield* listener.hear(during("2 seconds", bank.charge(1)))
      const common = { _tag: "FaultInjected", policy: "bank", method: "charge", at: 1000, chaos: true }
      expect(listener.events).toEqual([
        { ...common, fault: "latency", delay: 2000 },
        { ...common, fault: "fault", delay: undefined }
      ])
    })
  )

  it.scoped("reports under the key of the tag where it has no name", () =>
    Effect.gen(function* () {
      const listener = new Listener()
      const layer = FaultInjection.layer(BankTag, make(hang()), {})
      const real = Layer.succeed(BankTag, { charge: () => Effect.succeed(""), events: Stream.empty })
      const bank = Context.get(yield* Layer.build(Layer.provide(layer, real)), BankTag)
      yield* Fiber.interrupt(yield* begin(listener.hear(bank.charge(1))))
      expect(listener.of("FaultInjected").map(({ policy }) => policy)).toEqual(["test/Bank"])
    })
  )
})

describe("a plan that cannot be played", () => {
  it.effect("is refused with all that is wrong: names that nobody gave, methods that there are not, numbers", () =>
    Effect.gen(function* () {
      const plan: FaultPlan.FaultPlan = make(
        fault("Lost", { when: "small", methods: ["chrage"] }),
        lostReply("Gone"),
        outcome("None")
      )
      const names = yield* Effect.exit(Effect.scoped(faulty(plan)))
      expect(String(failureOf(names))).toBe(
        'InvalidOptions: Invalid options for "bank": ' +
          [
            'phases[0].faults[0].error is "Lost", but must be in errors: Down',
            'phases[0].faults[0].when is "small", but must be in predicates: big',
            'phases[0].faults[0].methods is "chrage", but must be in the service: charge, events',
            'phases[0].faults[1].error is "Gone", but must be in errors: Down',
            'phases[0].faults[2].outcome is "None", but must be in outcomes, which has none'
          ].join("; ")
      )
    })
  )
})

describe("one effect", () => {
  it.effect("is hit by one plan over all its runs", () =>
    Effect.gen(function* () {
      const dependency = new Dependency()
      const search = yield* FaultInjection.inject(dependency.answers(), make(fault("Refused", { times: 2 })), {
        errors: { Refused: ({ method }) => `${method} refused` as const },
        method: "search"
      })
      expect(yield* Effect.flip(search)).toBe("search refused")
      expect(yield* Effect.retry(search, { times: 1 })).toBe("answer")
      expect(dependency.asked).toBe(1)
    })
  )
})
