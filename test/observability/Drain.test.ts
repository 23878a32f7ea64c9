import { InvalidOptions } from "@effect-resilience/core"
import { Drain } from "@effect-resilience/observability"
import { HttpApp, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Cause, ConfigProvider, Deferred, Effect, Exit, Fiber, Layer, TestClock } from "effect"

const seen = (response: Response) => ({
  status: response.status,
  connection: response.headers.get("connection"),
  retryAfter: response.headers.get("retry-after")
})

/** Serves an application as a server does; each ask is a request of its own. */
const serving = (drain: Drain.Service, app: HttpApp.Default, asMiddleware = true) => {
  const handler = asMiddleware
    ? HttpApp.toWebHandler(app, (handled) => drain.track(handled))
    : HttpApp.toWebHandler(drain.track(app))
  return Effect.map(
    Effect.promise(() => handler(new Request("http://shop.test/"))),
    seen
  )
}

const served = { status: 200, connection: null, retryAfter: null }
const lastOne = { status: 200, connection: "close", retryAfter: null }
const refused = { status: 503, connection: "close", retryAfter: "1" }

/** A handler that waits until it is told to go on, and counts. */
const gated = Effect.map(Deferred.make<void>(), (gate) => {
  const gates = { entered: 0, left: 0, interrupted: 0 }
  const app: HttpApp.Default = Effect.suspend(() => {
    gates.entered += 1
    return Effect.as(Deferred.await(gate), HttpServerResponse.text("done"))
  }).pipe(
    Effect.onExit((exit) =>
      Effect.sync(() => {
        if (Exit.isSuccess(exit)) gates.left += 1
        else gates.interrupted += 1
      })
    )
  )
  return { gates, app, open: Deferred.succeed(gate, undefined) }
})

/** Lets requests, which begin in promises, come as far as they get. */
const settled = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

const pass = (millis: number) => Effect.zipRight(TestClock.adjust(millis), settled)

describe("a drain", () => {
  it.effect("goes on serving during the delay, then refuses, and is over when the last request is", () =>
    Effect.gen(function* () {
      const drain = yield* Drain.make({ preStopDelay: "5 seconds", gracefulShutdownTimeout: "20 seconds" })
      const { app, gates, open } = yield* gated
      const quick = serving(drain, Effect.succeed(HttpServerResponse.text("here")))
      expect(yield* quick).toEqual(served)
      const slow = yield* Effect.fork(serving(drain, Effect.interruptible(app)))
      yield* settled
      expect(yield* drain.state).toEqual({ phase: "Running", inFlight: 1 })

      const shutdown = yield* Effect.fork(drain.shutdown)
      yield* pass(4999)
      expect(yield* drain.state).toEqual({ phase: "Draining", inFlight: 1 })
      expect(yield* quick).toEqual(lastOne)

      yield* pass(1)
      expect(yield* drain.state).toEqual({ phase: "Closing", inFlight: 1 })
      expect(yield* quick).toEqual(refused)
      expect(shutdown.unsafePoll()).toBeNull()

      yield* open
      expect(yield* Fiber.join(slow)).toEqual(lastOne)
      yield* Fiber.join(shutdown)
      expect(yield* drain.state).toEqual({ phase: "Closed", inFlight: 0 })
      expect(yield* quick).toEqual(refused)
      expect(gates).toEqual({ entered: 1, left: 1, interrupted: 0 })
    })
  )

  it.effect("interrupts what is left when time is up, and answers it", () =>
    Effect.gen(function* () {
      for (const asMiddleware of [true, false]) {
        const drain = yield* Drain.make({ preStopDelay: 0, gracefulShutdownTimeout: "20 seconds" })
        const { app, gates } = yield* gated
        const slow = yield* Effect.fork(serving(drain, Effect.interruptible(app), asMiddleware))
        yield* settled
        const shutdown = yield* Effect.fork(drain.shutdown)
        yield* pass(19_999)
        expect(gates.interrupted).toBe(0)
        yield* pass(1)
        expect(yield* Fiber.join(slow)).toEqual(refused)
        yield* Fiber.join(shutdown)
        expect(gates).toEqual({ entered: 1, left: 0, interrupted: 1 })
        expect(yield* drain.state).toEqual({ phase: "Closed", inFlight: 0 })
      }
    })
  )

  it.effect("is over a second after that, whatever cannot be interrupted", () =>
    Effect.gen(function* () {
      const drain = yield* Drain.make({ preStopDelay: 0, gracefulShutdownTimeout: "20 seconds" })
      const { app, gates, open } = yield* gated
      const stubborn = yield* Effect.fork(serving(drain, app))
      yield* settled
      const shutdown = yield* Effect.fork(drain.shutdown)
      yield* pass(20_000)
      yield* pass(999)
      expect(shutdown.unsafePoll()).toBeNull()
      yield* pass(1)
      yield* Fiber.join(shutdown)
      expect(yield* drain.state).toEqual({ phase: "Closed", inFlight: 1 })
      yield* open
      yield* Fiber.join(stubborn)
      expect(gates.left + gates.interrupted).toBe(1)
    })
  )

  it.effect("counts a request once that is tracked twice, and lets it through in both places", () =>
    Effect.gen(function* () {
      const drain = yield* Drain.make({ preStopDelay: 0 })
      const { app, open } = yield* gated
      const late = yield* Deferred.make<void>()
      const twice = Effect.zipRight(Deferred.await(late), drain.track(app))
      const request = yield* Effect.fork(serving(drain, Effect.interruptible(twice)))
      yield* settled
      const shutdown = yield* Effect.fork(drain.shutdown)
      yield* pass(0)
      yield* Deferred.succeed(late, undefined)
      yield* settled
      expect(yield* drain.state).toEqual({ phase: "Closing", inFlight: 1 })
      yield* open
      expect(yield* Fiber.join(request)).toEqual(lastOne)
      yield* Fiber.join(shutdown)
    })
  )

  it.effect("is one for all who ask for it, and goes on when one of them gives up", () =>
    Effect.gen(function* () {
      const drain = yield* Drain.make({ preStopDelay: "5 seconds" })
      const stops = { count: 0 }
      yield* drain.register(
        "counter",
        Effect.sync(() => void (stops.count += 1))
      )
      const begun = yield* Effect.fork(drain.begun)
      const first = yield* Effect.fork(drain.shutdown)
      yield* pass(1000)
      yield* Fiber.join(begun)
      yield* Fiber.interrupt(first)
      const second = yield* Effect.fork(Effect.uninterruptible(drain.shutdown))
      yield* pass(4000)
      yield* Fiber.join(second)
      expect(stops.count).toBe(1)
    }).pipe(Effect.scoped)
  )

  it.effect("waits for what was registered, interrupts it when time is up, and is kept by none of it", () =>
    Effect.gen(function* () {
      const drain = yield* Drain.make({ preStopDelay: "1 second", gracefulShutdownTimeout: "20 seconds" })
      const happened: Array<string> = []
      const say = (what: string) => Effect.sync(() => void happened.push(what))
      yield* drain.register("worker", Effect.zipRight(Effect.sleep("2 seconds"), say("worker")))
      yield* drain.register("dies", Effect.die("in tears"))
      yield* drain.register(
        "hangs",
        Effect.onInterrupt(Effect.never, () => say("interrupted"))
      )
      yield* Effect.scoped(drain.register("left", say("left")))
      const shutdown = yield* Effect.fork(drain.shutdown)
      yield* pass(1000)
      expect(happened).toEqual([])
      yield* pass(2000)
      expect(happened).toEqual(["worker"])
      yield* pass(18_000)
      yield* Fiber.join(shutdown)
      expect(happened).toEqual(["worker", "interrupted"])
    }).pipe(Effect.scoped)
  )

  it.effect("dies with options out of range, and names the variables that are", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        Drain.make({ preStopDelay: -1, gracefulShutdownTimeout: "25 days", retryAfter: 0 })
      )
      const defect = Exit.isFailure(exit) ? [...Cause.defects(exit.cause)][0] : undefined
      expect(defect).toBeInstanceOf(InvalidOptions.InvalidOptions)
      const problems = defect instanceof InvalidOptions.InvalidOptions ? defect.problems : []
      expect(problems.map(({ option }) => option)).toEqual(["preStopDelay", "gracefulShutdownTimeout", "retryAfter"])

      const environment = (entries: ReadonlyArray<readonly [string, string]>) =>
        Layer.setConfigProvider(ConfigProvider.fromMap(new Map(entries)))
      const bad = environment([
        ["DRAIN_PRE_STOP_DELAY", "soon"],
        ["DRAIN_TIMEOUT", "-1 second"]
      ])
      const error = yield* Effect.flip(Layer.build(Layer.provide(Drain.layerConfig(), bad)))
      expect(String(error)).toContain("DRAIN_PRE_STOP_DELAY")
      expect(String(error)).toContain("DRAIN_TIMEOUT")

      const good = environment([["DRAIN_PRE_STOP_DELAY", "2 seconds"]])
      const drain = yield* Effect.provide(Drain.Drain, Layer.provide(Drain.layerConfig({ preStopDelay: 0 }), good))
      const shutdown = yield* Effect.fork(drain.shutdown)
      yield* pass(1999)
      expect((yield* drain.state).phase).toBe("Draining")
      yield* pass(1)
      yield* Fiber.join(shutdown)
    }).pipe(Effect.scoped)
  )
})
