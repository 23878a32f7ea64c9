/** When a retry ends although something is worth repeating, and how long it waits when the dependency has a wish. */
import { Backoff, CircuitBreaker, Deadline, Outcome, Policy, Retry } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Random, Schedule, TestClock } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { begin, play, script } from "../support/Play.js"

const busy = (wait: Duration.DurationInput) => Effect.fail(new Unavailable({ retryAfter: Duration.decode(wait) }))
const unavailable = Effect.fail(new Unavailable({}))
const drawing = (random: number) => Effect.withRandom(Random.fixed([random]))

const dueTo = (reason: string) => ({ _tag: "RetriesExhausted", reason })

describe("a dependency that asks for a wait", () => {
  const once = { maxRetries: 1, backoff: Backoff.constant("100 millis") }

  it.scoped("is never asked earlier, and up to a tenth later", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", once)
      const [lowest, middle, highest] = [script(busy("1 second")), script(busy("1 second")), script(busy("1 second"))]
      const calls = Effect.all(
        [
          drawing(0)(retry.protect(lowest.call)),
          drawing(0.5)(retry.protect(middle.call)),
          drawing(0.999999)(retry.protect(highest.call))
        ].map(Effect.exit),
        { concurrency: "unbounded" }
      )
      const { events } = yield* play(calls)
      expect([lowest.at, middle.at, highest.at]).toEqual([
        [0, 1000],
        [0, 1050],
        [0, 1100]
      ])
      const delays = events.flatMap((event) => (event._tag === "RetryScheduled" ? [event.delay] : []))
      expect(delays).toEqual([1000, 1050, 1100])
    })
  )

  it.scoped("for less than the backoff is asked after the backoff", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", { ...once, backoff: Backoff.constant("5 seconds") })
      const dependency = script(busy("4 seconds"))
      yield* play(drawing(0.9)(retry.protect(dependency.call)))
      expect(dependency.at).toEqual([0, 5000])
    })
  )

  it.scoped("for more than maxRetryAfter is not asked again; the caller hears at once, with that error", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", { ...once, maxRetryAfter: "2 seconds" })
      const [most, more] = [script(busy("2 seconds")), script(busy(2001))]
      const allowed = yield* play(drawing(0)(retry.protect(most.call)))
      const refused = yield* play(retry.protect(more.call))
      expect(most.at).toEqual([0, 2000])
      expect(allowed.events.at(-1)).toMatchObject(dueTo("attempts"))
      expect(more.at.length).toBe(1)
      expect(refused.at).toBe(more.at[0])
      expect(refused.exit).toStrictEqual(yield* Effect.exit(busy(2001)))
      expect(refused.events).toMatchObject([{ ...dueTo("retryAfter"), attempts: 1, error: "Unavailable", policy: "p" }])
    })
  )

  it.scoped("may ask for 30 seconds where the options say nothing", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", once)
      const schedule = Schedule.recurs(1)
      const [most, more, direct] = [script(busy("30 seconds")), script(busy(30_001)), script(busy(30_001))]
      const calls = [retry.protect(most.call), retry.protect(more.call), Retry.retry(direct.call, { schedule })]
      yield* play(drawing(0)(Effect.all(calls.map(Effect.exit), { concurrency: "unbounded" })))
      expect([most.at, more.at, direct.at]).toEqual([[0, 30_000], [0], [0]])
    })
  )

  it.scoped("for a wait beyond the deadline is not asked again; the caller hears its error, not the deadline's", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("p", once)
      const dependency = script(busy("1 second"))
      const { at, events, exit } = yield* play(Deadline.protect(retry.protect(dependency.call), "1 second"))
      expect(exit).toStrictEqual(yield* Effect.exit(busy("1 second")))
      expect([dependency.at, at]).toEqual([[0], 0])
      expect(events).toMatchObject([dueTo("retryAfter")])
    })
  )

  it.scoped("is heard in results too", () =>
    Effect.gen(function* () {
      const wait = Duration.seconds(1)
      const classify: Outcome.Classify = () => Outcome.ignored({ transient: true, retryAfter: wait })
      const retry = yield* Retry.make("p", { ...once, classify })
      const dependency = script(Effect.succeed(429))
      const { exit } = yield* play(drawing(0)(retry.protect(dependency.call)))
      expect(exit).toStrictEqual(Exit.succeed(429))
      expect(dependency.at).toEqual([0, 1000])
    })
  )
})

describe("a retry under a deadline", () => {
  const make = (minAttempt: Duration.DurationInput) =>
    Retry.make("p", { maxRetries: 5, backoff: Backoff.constant("300 millis"), minAttempt })

  it.scoped("does not wait when that would not leave minAttempt for the next attempt", () =>
    Effect.gen(function* () {
      const [fitting, short] = [script(unavailable), script(unavailable)]
      const leaving = (yield* make("400 millis")).protect(fitting.call)
      const lacking = (yield* make("401 millis")).protect(short.call)
      const [first, second] = [
        yield* begin(Deadline.protect(leaving, 1000)),
        yield* begin(Deadline.protect(lacking, 1000))
      ]
      yield* TestClock.adjust("2 seconds")
      const [enough, tooLittle] = [yield* first.end, yield* second.end]
      expect([fitting.at, enough.at]).toEqual([[0, 300, 600], 600])
      expect([short.at, tooLittle.at]).toEqual([[0, 300], 300])
      expect(tooLittle.exit).toStrictEqual(yield* Effect.exit(unavailable))
      expect(tooLittle.events.at(-1)).toMatchObject({ ...dueTo("deadline"), attempts: 2, error: "Unavailable" })
    })
  )

  it.scoped("does not wait to the very end of it", () =>
    Effect.gen(function* () {
      const dependency = script(unavailable)
      const { at } = yield* play(Deadline.protect((yield* make(0)).protect(dependency.call), 600))
      expect([dependency.at, at]).toEqual([[0, 300], 300])
    })
  )

  it.scoped("in a standard policy leaves a tenth of the attempt timeout, unless the options say otherwise", () =>
    Effect.gen(function* () {
      const options = { deadline: "1 second", timeout: "800 millis" } as const
      const retry = { maxRetries: 5, backoff: Backoff.constant("460 millis") }
      const usual = yield* Policy.standard("usual", { ...options, retry })
      const own = yield* Policy.standard("own", { ...options, retry: { ...retry, minAttempt: "81 millis" } })
      const [fitting, short] = [script(unavailable), script(unavailable)]
      const { events } = yield* play(
        Effect.all([Effect.exit(usual.protect(fitting.call)), Effect.exit(own.protect(short.call))], {
          concurrency: "unbounded"
        })
      )
      expect([fitting.at, short.at]).toEqual([
        [0, 460, 920],
        [0, 460]
      ])
      expect(events.filter((event) => event._tag === "RetriesExhausted").map(({ policy }) => policy)).toEqual([
        "own",
        "usual"
      ])
    })
  )
})

describe("telemetry of a retry", () => {
  it.scoped("tells each wait and why it ended: the attempts were used up", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("search", { maxRetries: 2, backoff: Backoff.constant("100 millis") })
      const { events } = yield* play(retry.protect(unavailable))
      const scheduled = { _tag: "RetryScheduled", policy: "search", delay: 100, error: "Unavailable" }
      expect(events).toEqual([
        { ...scheduled, attempt: 1, at: 0 },
        { ...scheduled, attempt: 2, at: 100 },
        { ...dueTo("attempts"), policy: "search", attempts: 3, at: 200, error: "Unavailable" }
      ])
    })
  )

  it.effect("the schedule was at its end", () =>
    Effect.gen(function* () {
      const { events } = yield* play(Retry.retry(unavailable, { schedule: Schedule.recurs(1) }))
      expect(events).toMatchObject([
        { _tag: "RetryScheduled", attempt: 1, delay: 0 },
        { ...dueTo("attempts"), policy: "retry", attempts: 2 }
      ])
    })
  )

  it.scoped("the circuit opened while it waited: the dependency is left alone, the caller gets the last error", () =>
    Effect.gen(function* () {
      const policy = yield* Policy.standard("payment", {
        retry: { maxRetries: 5, backoff: Backoff.constant("1 second") },
        circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1) }
      })
      const dependency = script(unavailable)
      const patient = yield* begin(policy.protect(dependency.call))
      yield* TestClock.adjust("500 millis")
      yield* Effect.exit(policy.with({ repeatable: false }).protect(unavailable))
      yield* TestClock.adjust("10 seconds")
      const { at, events, exit } = yield* patient.end
      expect(exit).toStrictEqual(yield* Effect.exit(unavailable))
      expect([dependency.at, at]).toEqual([[0], 1000])
      expect(events).toMatchObject([{ _tag: "RetryScheduled" }, { ...dueTo("circuit"), attempts: 1, at: 1000 }])
    })
  )

  it.scoped("says nothing where nothing is worth repeating", () =>
    Effect.gen(function* () {
      const retry = yield* Retry.make("search", { classify: () => Outcome.success })
      const { events } = yield* play(retry.protect(unavailable))
      expect(events).toEqual([])
    })
  )
})
