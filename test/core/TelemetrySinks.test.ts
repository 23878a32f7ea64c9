import { Backoff, CircuitBreaker, Fallback, Outcome, Policy, Telemetry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import {
  Chunk,
  Data,
  Effect,
  Exit,
  Fiber,
  HashMap,
  Layer,
  Logger,
  LogLevel,
  Option,
  Scope,
  Stream,
  TestClock,
  Tracer
} from "effect"

class Refused extends Data.TaggedError("Refused")<{ readonly authorization: string }> {
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.failure({ transient: true })
  }
  override get message(): string {
    return `GET /orders?token=${this.authorization}`
  }
}

const fails = Effect.fail(new Refused({ authorization: "s3cret" }))

/** What is logged, as level, event and policy; all of it as text. */
const logged = () => {
  const lines: Array<string> = []
  const everything: Array<string> = []
  const logger = Logger.make(({ annotations, logLevel, message }) => {
    const said = Object.fromEntries(HashMap.toEntries(annotations))
    // On a busy machine the TestClock has a warning of its own.
    if (said["event"] === undefined) return
    lines.push(`${logLevel.label} ${String(said["event"])} ${String(said["policy"])}`)
    everything.push(JSON.stringify([message, said]))
  })
  const layer = Layer.merge(Logger.replace(Logger.defaultLogger, logger), Logger.minimumLogLevel(LogLevel.Debug))
  return { everything, layer, lines }
}

/** Fails, is repeated, fails, opens the circuit; is refused; each time a known answer is given. */
const outage = Effect.gen(function* () {
  const policy = yield* Policy.standard("payment", {
    retry: { maxRetries: 1, backoff: Backoff.constant(0) },
    circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1) }
  })
  const call = policy.protect(fails).pipe(
    Fallback.primary,
    Fallback.tier("known", { kind: "stale" }, () => Effect.succeed("known"))
  )
  yield* call
  yield* call
})

describe("several sinks", () => {
  it.scoped("hear the same, and only those that ask hear of every call", () =>
    Effect.gen(function* () {
      const all: Array<string> = []
      const some: Array<string> = []
      const sinks = Layer.mergeAll(
        Telemetry.layer((event) => all.push(event._tag), { calls: true }),
        Telemetry.layerLog,
        Telemetry.layer((event) => some.push(event._tag))
      )
      yield* Effect.provide(outage, sinks)
      expect(some).toEqual([
        "RetryScheduled",
        "RetriesExhausted",
        "CircuitChanged",
        "FallbackServed",
        "CallRejected",
        "FallbackServed"
      ])
      const ofCalls = ["AttemptSettled", "RetrySettled", "CallSettled"]
      expect(all.filter((tag) => !ofCalls.includes(tag))).toEqual(some)
      expect(all.filter((tag) => ofCalls.includes(tag))).toEqual([
        "AttemptSettled",
        "RetrySettled",
        "CallSettled",
        "CallSettled"
      ])
    })
  )

  it.scoped("do not take each other along: one that throws is alone in losing the event", () =>
    Effect.gen(function* () {
      let heard = 0
      const broken = Telemetry.layer(() => {
        throw new Error("full")
      })
      const sound = Telemetry.layer(() => heard++)
      yield* Effect.provide(outage, Layer.merge(broken, sound))
      expect(heard).toBe(6)
    })
  )
})

describe("every call", () => {
  const settled = (self: (policy: Policy.Standard) => Effect.Effect<void, unknown>) =>
    Effect.gen(function* () {
      const events: Array<Telemetry.Event> = []
      const policy = yield* Policy.standard("search", {
        timeout: "1 second",
        retry: "none",
        bulkhead: { maxConcurrent: 1, maxQueue: 1, maxWait: "2 seconds" },
        circuitBreaker: {
          tripPolicy: CircuitBreaker.slow({ threshold: 1, slowerThan: "500 millis", window: CircuitBreaker.count(100) })
        }
      })
      const hearing = Telemetry.layer((event) => events.push(event), { calls: true })
      const fiber = yield* Effect.fork(Effect.provide(self(policy.with({ operation: "find" })), hearing))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      return events.flatMap((event) =>
        event._tag === "CallSettled"
          ? [[event.operation, event.status, event.counted, event.duration, event.attempts, event.lastAttempt]]
          : []
      )
    })

  it.scoped("is told once: succeeded, slow, timed out, cancelled, refused, and how long it waited", () =>
    Effect.gen(function* () {
      const all = yield* settled((policy) =>
        Effect.gen(function* () {
          yield* policy.protect(Effect.void)
          yield* policy.protect(Effect.sleep("600 millis"))
          yield* Effect.exit(policy.protect(Effect.never))
          const running = yield* Effect.fork(policy.protect(Effect.sleep("100 millis")))
          yield* Effect.yieldNow()
          const waiting = yield* Effect.fork(policy.protect(Effect.sleep("100 millis")))
          yield* Effect.yieldNow()
          yield* Effect.exit(policy.protect(Effect.void))
          yield* Fiber.join(running)
          yield* Effect.sleep("10 millis")
          yield* Fiber.interrupt(waiting)
        })
      )
      expect(all).toEqual([
        ["find", "ok", "success", 0, 1, 0],
        ["find", "ok", "slow", 600, 1, 600],
        ["find", "timeout", "failure", 1000, 1, 1000],
        ["find", "rejected", undefined, 0, 0, 0],
        ["find", "ok", "success", 100, 1, 100],
        ["find", "cancelled", "ignored", 110, 1, 10]
      ])
    })
  )
})

/** Calls and subscriptions that nothing else in the process is heard by. */
const alone = Effect.provide(Telemetry.layer(() => undefined))

describe("a subscription", () => {
  const many = (count: number) =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("many", { retry: "none" })
      yield* Effect.forEach(Array.from({ length: count }), () => policy.protect(Effect.void), { discard: true })
    })

  it.scoped("that nobody reads keeps the last, counts what it dropped, and stops nobody", () =>
    Effect.gen(function* () {
      const stuck = yield* Telemetry.subscribe({ capacity: 8, calls: true })
      const quick = yield* Telemetry.subscribe({ capacity: 10_000, calls: true })
      yield* many(1000)
      expect(yield* stuck.counts).toEqual({ published: 1000, received: 0, dropped: 992, waiting: 8 })
      const taken = yield* Stream.runCollect(Stream.take(quick.stream, 1000))
      expect(Chunk.size(taken)).toBe(1000)
      expect(yield* quick.counts).toEqual({ published: 1000, received: 1000, dropped: 0, waiting: 0 })
      const rest = yield* Stream.runCollect(Stream.take(stuck.stream, 8))
      expect(Chunk.toReadonlyArray(rest)).toEqual(Chunk.toReadonlyArray(Chunk.takeRight(taken, 8)))
      expect(yield* stuck.counts).toEqual({ published: 1000, received: 8, dropped: 992, waiting: 0 })
    }).pipe(alone)
  )

  it.scoped("gives each event as it was, of whatever kind, also when others have come into its place", () =>
    Effect.gen(function* () {
      const few = yield* Telemetry.subscribe({ capacity: 3, calls: true })
      const all = yield* Telemetry.subscribe({ capacity: 10_000, calls: true })
      const kept: Array<readonly [event: Telemetry.Event, asItWas: string]> = []
      for (let round = 0; round < 5; round++) {
        yield* Effect.scoped(round % 2 === 0 ? outage : many(2 + round))
        const { waiting } = yield* few.counts
        const taken = Chunk.toReadonlyArray(yield* Stream.runCollect(Stream.take(few.stream, waiting)))
        const everything = yield* Stream.runCollect(Stream.take(all.stream, (yield* all.counts).waiting))
        expect(taken).toEqual(Chunk.toReadonlyArray(Chunk.takeRight(everything, waiting)))
        for (const event of taken) kept.push([event, JSON.stringify(event)])
      }
      expect(new Set(kept.map(([{ _tag }]) => _tag)).size).toBeGreaterThan(2)
      for (const [event, asItWas] of kept) expect(JSON.stringify(event)).toBe(asItWas)
    }).pipe(alone)
  )

  it.scoped("is woken by what comes, and hears nothing after its end", () =>
    Effect.gen(function* () {
      const heard = yield* Telemetry.subscribe({ calls: true })
      const reader = yield* Effect.fork(Stream.runCollect(Stream.take(heard.stream, 3)))
      yield* Effect.yieldNow()
      yield* many(3)
      expect(Chunk.size(yield* Fiber.join(reader))).toBe(3)
      const subscription = yield* Effect.scoped(Telemetry.subscribe({ calls: true }))
      yield* many(1)
      expect((yield* subscription.counts).published).toBe(0)
    }).pipe(alone)
  )

  it.effect("ends whoever reads it when it ends, after what is left, also one that comes later", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const heard = yield* Scope.extend(Telemetry.subscribe({ calls: true }), scope)
      const reader = yield* Effect.fork(Stream.runCollect(heard.stream))
      yield* Effect.yieldNow()
      yield* Effect.scoped(many(3))
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("1 second")
      expect(Option.map(yield* Fiber.poll(reader), Exit.map(Chunk.size))).toEqual(Option.some(Exit.succeed(3)))
      expect(Chunk.size(yield* Stream.runCollect(heard.stream))).toBe(0)
    }).pipe(alone)
  )
})

describe("the log", () => {
  it.scoped("has a line for each transition and exhausted retry, and sums up what there are thousands of", () =>
    Effect.gen(function* () {
      const { everything, layer, lines } = logged()
      const program = Effect.zipRight(outage, TestClock.adjust("10 seconds"))
      yield* Effect.provide(program, Telemetry.layerLog.pipe(Layer.provideMerge(layer)))
      expect(lines).toEqual([
        "DEBUG RetryScheduled payment",
        "WARN RetriesExhausted payment",
        "ERROR CircuitChanged payment",
        "DEBUG FallbackServed payment",
        "DEBUG CallRejected payment",
        "DEBUG FallbackServed payment",
        "WARN Summary payment"
      ])
      expect(everything.join("\n")).toContain('"lastError":"Refused"')
      expect(everything.join("\n")).not.toMatch(/s3cret|token/)
    })
  )

  it.scoped("of what has not been summed up yet is written when its Layer ends", () =>
    Effect.gen(function* () {
      const { layer, lines } = logged()
      yield* Effect.provide(outage, Telemetry.layerLog.pipe(Layer.provideMerge(layer)))
      expect(lines).toContain("WARN Summary payment")
    })
  )

  it.scoped("has all that happened before its Layer ended, also what it was about to write", () =>
    Effect.gen(function* () {
      const { layer, lines } = logged()
      const program = Effect.gen(function* () {
        const breaker = yield* CircuitBreaker.make("switched")
        yield* Effect.replicateEffect(Effect.zipRight(breaker.isolate, breaker.reset), 2000)
        // The log has its turn, and has not finished with it when the Layer ends.
        yield* Effect.yieldNow()
        yield* Effect.yieldNow()
      })
      yield* Effect.provide(program, Telemetry.layerLog.pipe(Layer.provideMerge(layer)))
      expect(lines.filter((line) => line.includes("CircuitChanged"))).toHaveLength(4000)
    })
  )

  it.scoped("does not say that a circuit refused what it only observed", () =>
    Effect.gen(function* () {
      const { layer, lines } = logged()
      const program = Effect.gen(function* () {
        const breaker = yield* CircuitBreaker.make("shadow", { tripPolicy: CircuitBreaker.consecutive(1) })
        yield* breaker.observe
        yield* Effect.replicateEffect(Effect.exit(breaker.protect(fails)), 3)
      })
      yield* Effect.provide(program, Telemetry.layerLog.pipe(Layer.provideMerge(layer)))
      expect(lines.filter((line) => line.includes("RejectionObserved"))).toHaveLength(2)
      expect(lines.filter((line) => line.includes("Summary"))).toEqual([])
    })
  )
})

describe("spans", () => {
  it.scoped("get what happens inside them as events, with attributes, and nothing of an error", () =>
    Effect.gen(function* () {
      const events: Array<readonly [string, unknown]> = []
      const attributes = new Map<string, unknown>()
      const tracer = Tracer.make({
        context: (f) => f(),
        span: (name, parent, context, links, startTime, kind) => ({
          _tag: "Span",
          name,
          spanId: "1",
          traceId: "1",
          parent,
          context,
          status: { _tag: "Started", startTime },
          attributes,
          links,
          sampled: true,
          kind,
          end: () => undefined,
          attribute: (key, value) => attributes.set(key, value),
          event: (event, _, fields) => events.push([event, fields]),
          addLinks: () => undefined
        })
      })
      yield* outage.pipe(Effect.withSpan("checkout"), Effect.withTracer(tracer), Effect.provide(Telemetry.layerSpans))
      expect(events.map(([name]) => name)).toEqual([
        "RetryScheduled",
        "RetriesExhausted",
        "CircuitChanged",
        "FallbackServed",
        "CallRejected",
        "FallbackServed"
      ])
      expect(attributes.get("circuitbreaker.name")).toBe("payment")
      expect(attributes.get("circuitbreaker.state")).toBe("Open")
      expect(attributes.get("retry.attempt")).toBe(2)
      expect(JSON.stringify(events) + JSON.stringify([...attributes])).not.toMatch(/s3cret|token/)
      // Outside of any span there is nowhere to put them.
      yield* Effect.provide(outage, Telemetry.layerSpans)
    })
  )
})
