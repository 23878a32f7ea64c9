import { Criticality, Deadline, EventLoopDelay, LoadShedder } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Option, Random, TestClock } from "effect"
import { Dependency } from "../support/Dependency.js"
import { Listener } from "../support/Listener.js"
import { begin, during, ended, failureOf, retryAfterMillis } from "../support/Passing.js"

const drawing = (number: number) => Effect.withRandom(Random.fixed([number]))
const idle = { inFlight: 0, waiting: 0 }

/** A shedder with one place, which is taken until the fiber is interrupted. */
const busy = (options: LoadShedder.Options = {}) =>
  Effect.gen(function* () {
    const shedder = yield* LoadShedder.make("api", { capacity: 1, ...options })
    const holder = yield* begin(shedder.protect(Effect.never))
    return { shedder, holder, dependency: new Dependency() }
  })

describe("a load shedder", () => {
  it.scoped("lets in what there is room for, then lets wait, then refuses", () => {
    const listener = new Listener()
    return Effect.gen(function* () {
      const { dependency, holder, shedder } = yield* busy({ maxWaiting: 1 })
      const call = shedder.protect(dependency.answers())
      const waiting = yield* begin(call)
      expect(yield* shedder.snapshot).toMatchObject({ limit: 1, inFlight: 1, waiting: 1 })
      const refused = yield* Effect.flip(call.pipe(drawing(0.5)))
      expect(refused).toMatchObject({ _tag: "Shed", policy: "api", class: "CRITICAL", reason: "Full" })
      expect(retryAfterMillis(refused)).toBe(1250)
      expect(listener.of("RequestShed")).toMatchObject([
        { policy: "api", priority: "CRITICAL", reason: "Full", retryAfter: 1250 }
      ])
      expect(dependency.asked).toBe(0)
      yield* Fiber.interrupt(holder)
      expect(yield* Fiber.join(waiting)).toBe("answer")
      expect(yield* shedder.snapshot).toMatchObject(idle)
    }).pipe(listener.hear)
  })

  it.scoped("serves the highest class first, and lets it take the place of a lower one in line", () =>
    Effect.gen(function* () {
      const { dependency, holder, shedder } = yield* busy({ maxWaiting: 2 })
      const order: Array<string> = []
      const as = (of: Criticality.Criticality) =>
        begin(
          Effect.exit(shedder.protect(dependency.ask(Effect.sync(() => order.push(of))))).pipe(
            Criticality.withClass(of)
          )
        )
      const low = yield* as("SHEDDABLE")
      const middle = yield* as("CRITICAL")
      const high = yield* as("CRITICAL_PLUS")
      expect(failureOf(yield* Fiber.join(low))).toMatchObject({ _tag: "Shed", class: "SHEDDABLE", reason: "Displaced" })
      expect(failureOf(yield* Effect.flatMap(as("SHEDDABLE_PLUS"), Fiber.join))).toMatchObject({ reason: "Full" })
      yield* Fiber.interrupt(holder)
      yield* Fiber.joinAll([middle, high])
      expect(order).toEqual(["CRITICAL_PLUS", "CRITICAL"])
      expect(yield* shedder.snapshot).toMatchObject(idle)
    })
  )

  it.scoped("refuses by itself, at the moment it is due, who waits too long in a line that does not empty", () =>
    Effect.gen(function* () {
      const { dependency, shedder } = yield* busy()
      const call = shedder.protect(dependency.answers())
      const first = yield* begin(call)
      yield* TestClock.adjust(190)
      const second = yield* begin(call)
      yield* TestClock.adjust(9)
      expect((yield* shedder.snapshot).waiting).toBe(2)
      yield* TestClock.adjust(1)
      expect(failureOf(yield* ended(first))).toMatchObject({ _tag: "Shed", reason: "Waited" })
      yield* TestClock.adjust(9)
      expect((yield* shedder.snapshot).waiting).toBe(1)
      yield* TestClock.adjust(1)
      expect(failureOf(yield* ended(second))).toMatchObject({ _tag: "Shed", reason: "Waited" })
      expect([dependency.asked, (yield* shedder.snapshot).waiting]).toEqual([0, 0])
    })
  )

  it.scoped("refuses whose deadline leaves no time, at once and in line", () =>
    Effect.gen(function* () {
      const { dependency, holder, shedder } = yield* busy({ minServiceTime: 50 })
      const call = Effect.exit(shedder.protect(dependency.answers()))
      const late = Deadline.protect(call, 49)
      expect(failureOf(Exit.flatten(yield* Effect.exit(late)))).toMatchObject({ _tag: "Shed", reason: "Deadline" })
      const waiting = yield* begin(Deadline.protect(call, 150))
      yield* TestClock.adjust(100)
      expect((yield* shedder.snapshot).waiting).toBe(1)
      yield* TestClock.adjust(1)
      expect(failureOf(Exit.flatten(yield* ended(waiting)))).toMatchObject({ _tag: "Shed", reason: "Deadline" })
      yield* Fiber.interrupt(holder)
      expect(failureOf(Exit.flatten(yield* Effect.exit(late)))).toMatchObject({ reason: "Deadline" })
      expect(yield* Deadline.protect(call, 50)).toEqual(Exit.succeed("answer"))
      expect(dependency.asked).toBe(1)
    })
  )

  it.scoped(
    "sends away for longer, the longer the overload lasts, by chance a little longer, and never for longer than `maxRetryAfter`",
    () =>
      Effect.gen(function* () {
        const { shedder } = yield* busy({ maxWaiting: 0, maxRetryAfter: "6 seconds" })
        const away = (random: number) =>
          Effect.map(Effect.flip(shedder.protect(Effect.void).pipe(drawing(random))), retryAfterMillis)
        const said: Array<number | undefined> = []
        for (let second = 0; second < 10; second++) {
          said.push(yield* away(0))
          yield* TestClock.adjust("1 second")
        }
        expect(said).toEqual([1000, 1000, 2000, 3000, 4000, 4000, 4000, 4000, 4000, 4000])
        expect(yield* away(0.5)).toBe(5000)
        expect(yield* away(0.999)).toBe(5998)
        yield* TestClock.adjust("1 hour")
        expect(yield* away(0)).toBe(1000)
      })
  )

  it.scoped("refuses the lower classes while the event loop is late, and takes its delay from the waits", () =>
    Effect.gen(function* () {
      let late = 0
      const monitor = { lateMillis: () => late, quantileMillis: () => undefined }
      const { holder, shedder } = yield* busy().pipe(Effect.provideService(EventLoopDelay.EventLoopDelay, monitor))
      const waiting = yield* begin(Effect.exit(shedder.protect(Effect.succeed("served"))))
      late = 250
      yield* TestClock.adjust(269)
      expect((yield* shedder.snapshot).waiting).toBe(1)
      yield* Fiber.interrupt(holder)
      expect(yield* Fiber.join(waiting)).toEqual(Exit.succeed("served"))
      const refusedAt = (delay: number) =>
        Effect.map(
          Effect.forEach(Criticality.classes, (of) => {
            late = delay
            return Effect.map(Effect.exit(Criticality.withClass(shedder.protect(Effect.void), of)), failureOf)
          }),
          (ends) => ends.map((end) => (end instanceof LoadShedder.Shed ? end.reason : "served"))
        )
      expect(yield* refusedAt(99)).toEqual(["served", "served", "served", "served"])
      expect(yield* refusedAt(100)).toEqual(["served", "served", "served", "EventLoop"])
      expect(yield* refusedAt(200)).toEqual(["served", "served", "EventLoop", "EventLoop"])
      expect(yield* refusedAt(10_000)).toEqual(["served", "EventLoop", "EventLoop", "EventLoop"])
    })
  )

  it.scoped("learns its capacity from what it serves, and lets in who waits when that grows", () =>
    Effect.gen(function* () {
      const shedder = yield* LoadShedder.make("api", { capacity: { algorithm: "aimd", initial: 5 } })
      yield* Effect.replicateEffect(begin(shedder.protect(Effect.sleep(50))), 20)
      expect(yield* shedder.snapshot).toMatchObject({ limit: 5, inFlight: 5, waiting: 15 })
      yield* TestClock.adjust(50)
      const { inFlight, limit, waiting } = yield* shedder.snapshot
      expect(limit).toBeGreaterThan(5)
      expect([inFlight, waiting]).toEqual([limit, 15 - limit])
      yield* TestClock.adjust(100)
      expect(yield* shedder.snapshot).toMatchObject(idle)
      const fixed = yield* LoadShedder.make("api", { capacity: 5 })
      yield* Effect.replicateEffect(begin(fixed.protect(Effect.sleep(50))), 20)
      yield* TestClock.adjust(50)
      expect(yield* fixed.snapshot).toMatchObject({ limit: 5, inFlight: 5, waiting: 10 })
      expect((yield* (yield* LoadShedder.make("api")).snapshot).limit).toBe(20)
    })
  )

  it.scoped("gives the place back whatever becomes of the work", () =>
    Effect.gen(function* () {
      const shedder = yield* LoadShedder.make("api", { capacity: 1, maxWaiting: 0 })
      const dependency = new Dependency()
      for (const work of [Effect.fail("no"), Effect.die("a defect"), Effect.interrupt, Effect.void]) {
        const inside = yield* Effect.exit(shedder.protect(dependency.ask(work)))
        expect(inside).toEqual(yield* Effect.exit(work))
        expect(yield* shedder.snapshot).toMatchObject(idle)
      }
      yield* during("1 hour", shedder.protect(dependency.ask(Effect.uninterruptible(Effect.sleep("1 hour")))))
      expect([dependency.asked, yield* shedder.snapshot]).toMatchObject([5, idle])
    })
  )

  it.scoped("dies of all options that are out of range", () =>
    Effect.gen(function* () {
      const diesOf = (options: LoadShedder.Options) =>
        Effect.map(Effect.exit(LoadShedder.make("api", options)), failureOf)
      const wrong: LoadShedder.Options = {
        capacity: 0,
        maxWaiting: -1,
        newestFirstAbove: 0.5,
        target: 0,
        interval: "-1 millis",
        maxEventLoopDelay: 0,
        minServiceTime: 0,
        minRetryAfter: "10 seconds",
        maxRetryAfter: "9 seconds"
      }
      const named = Object.keys(wrong).filter((option) => option !== "minRetryAfter")
      const dead = yield* diesOf(wrong)
      expect(dead).toMatchObject({ _tag: "InvalidOptions", policy: "api" })
      const problems = dead !== null && typeof dead === "object" && "problems" in dead ? dead.problems : []
      expect(problems).toEqual(named.map((option) => expect.objectContaining({ option })))
      expect(yield* diesOf({ capacity: { min: 0 } })).toMatchObject({ problems: [{ option: "capacity.min" }] })
    })
  )
})

describe("a measure of the event loop's delay", () => {
  it.scoped("is none where nobody samples, and 0 on a clock that is never late", () =>
    Effect.gen(function* () {
      const none = yield* EventLoopDelay.EventLoopDelay
      expect([none.lateMillis(), none.quantileMillis(0.99)]).toEqual([0, undefined])
      yield* Effect.gen(function* () {
        const monitor = yield* EventLoopDelay.EventLoopDelay
        yield* TestClock.adjust("1 second")
        expect([monitor.lateMillis(), monitor.quantileMillis(0.99)]).toEqual([0, 0])
      }).pipe(Effect.provide(EventLoopDelay.layer()))
    })
  )

  it.scoped("dies of an option that is out of range", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Effect.provide(Effect.void, EventLoopDelay.layer({ every: 0 })))
      expect(failureOf(exit)).toMatchObject({ _tag: "InvalidOptions", problems: [{ option: "every" }] })
      expect(
        Option.isNone(
          Exit.causeOption(
            yield* Effect.exit(Effect.provide(Effect.void, EventLoopDelay.layer({ every: Duration.millis(1) })))
          )
        )
      ).toBe(true)
    })
  )
})
