import { CircuitBreaker, Deadline, InvalidOptions, Keyed, Policy, PolicyRegistry } from "@effect-resilience/core"
import { Drain, Health } from "@effect-resilience/observability"
import { type HttpApp, HttpLayerRouter, HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Data, Effect, Exit, Fiber, Layer, TestClock } from "effect"

class NoRoute extends Data.TaggedError("NoRoute")<{ readonly url: string }> {}

const layer = <R = never>(...checks: ReadonlyArray<Health.Check<R>>) =>
  Health.layer({ checks }).pipe(
    Layer.provideMerge(Drain.layer({ preStopDelay: "5 seconds" })),
    Layer.provideMerge(PolicyRegistry.layer)
  )

const ready = Effect.flatMap(Health.Health, (health) => health.ready)
const dependencies = Effect.flatMap(Health.Health, (health) => health.dependencies)

/** What a route says: its status, its type, and its body. */
const ask = (path: string, app: HttpApp.Default<unknown, Health.Health> = Health.router) =>
  Effect.gen(function* () {
    const request = HttpServerRequest.fromWeb(new Request(`http://shop.test${path}`))
    const response = HttpServerResponse.toWeb(
      yield* Effect.provideService(app, HttpServerRequest.HttpServerRequest, request)
    )
    const text = yield* Effect.promise(() => response.text())
    const body: unknown = text === "" ? undefined : JSON.parse(text)
    return { status: response.status, type: response.headers.get("content-type"), body, text }
  })

const json = "application/health+json"

describe("readiness", () => {
  it.effect("comes when every check has passed, and goes when one fails, by its tag alone", () => {
    const database = { broken: false, runs: 0 }
    const ping = Effect.suspend(() => {
      database.runs += 1
      return database.broken ? new NoRoute({ url: "http://db?token=hunter2" }) : Effect.void
    })
    const check = Health.check("database", Effect.delay(ping, "100 millis"), { interval: "10 seconds" })
    return Effect.gen(function* () {
      const before = yield* ask("/health/ready")
      expect(before).toMatchObject({ status: 503, type: json })
      expect(before.body).toEqual({
        status: "fail",
        checks: { database: [{ status: "fail", output: "no result yet" }] }
      })
      yield* TestClock.adjust("100 millis")
      expect(yield* ask("/health/ready")).toMatchObject({
        status: 200,
        body: { status: "pass", checks: { database: [{ status: "pass", time: "1970-01-01T00:00:00.100Z" }] } }
      })
      database.broken = true
      yield* TestClock.adjust("10 seconds")
      expect((yield* ready).status).toBe("pass")
      yield* TestClock.adjust("100 millis")
      const after = yield* ask("/health/ready")
      expect(after).toMatchObject({ status: 503, body: { checks: { database: [{ output: "NoRoute" }] } } })
      expect(after.text).not.toContain("hunter2")
      expect(database.runs).toBe(2)
    }).pipe(Effect.provide(layer(check)))
  })

  it.effect("answers at once however often it is asked, and runs nothing for it", () => {
    const runs = { count: 0 }
    const slow = Effect.zipRight(
      Effect.sync(() => void (runs.count += 1)),
      Effect.sleep("900 millis")
    )
    return Effect.gen(function* () {
      yield* Effect.replicateEffect(ready, 50)
      yield* TestClock.adjust("900 millis")
      const asked = yield* Effect.replicateEffect(ready, 50)
      expect(asked.every(({ status }) => status === "pass")).toBe(true)
      expect(runs.count).toBe(1)
    }).pipe(Effect.provide(layer(Health.check("slow", slow))))
  })

  it.effect("is not held up by a check that hangs, which fails once its time is over and is not asked twice", () => {
    const runs = { count: 0, release: false }
    const deaf = Effect.uninterruptible(
      Effect.zipRight(
        Effect.sync(() => void (runs.count += 1)),
        Effect.repeat(Effect.sleep("1 minute"), { until: () => runs.release })
      )
    )
    return Effect.gen(function* () {
      yield* TestClock.adjust("299 millis")
      expect((yield* ready).checks.deaf).toEqual([{ status: "fail", output: "no result yet" }])
      yield* TestClock.adjust("1 millis")
      expect((yield* ready).checks.deaf).toMatchObject([{ status: "fail", output: "no answer within 300 ms" }])
      yield* TestClock.adjust("50 seconds")
      expect((yield* ready).checks.deaf).toMatchObject([{ status: "fail" }])
      expect(runs.count).toBe(1)
      runs.release = true
      yield* TestClock.adjust("1 minute")
      yield* TestClock.adjust("1 second")
      expect(runs.count).toBe(2)
    }).pipe(Effect.provide(layer(Health.check("deaf", deaf, { timeout: "300 millis", interval: "1 second" }))))
  })

  it.effect("ends without waiting for a check that cannot be interrupted", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(
        Effect.provide(ready, layer(Health.check("deaf", Effect.uninterruptible(Effect.never))))
      )
      expect((yield* Fiber.join(fiber)).status).toBe("fail")
    })
  )

  it.effect("is lost to a check that dies or is interrupted, and comes back with it", () => {
    const turns: Array<Effect.Effect<void>> = [Effect.die("token=hunter2"), Effect.interrupt, Effect.void]
    const check = Health.check(
      "fickle",
      Effect.suspend(() => turns.shift() ?? Effect.void),
      { interval: "1 second" }
    )
    return Effect.gen(function* () {
      const outputs: Array<string | undefined> = []
      for (let i = 0; i < 3; i++) {
        yield* TestClock.adjust(i === 0 ? 0 : "1 second")
        outputs.push((yield* ready).checks.fickle?.[0]?.output)
      }
      expect(outputs).toEqual(["Defect", "Interrupted", undefined])
      expect((yield* ready).status).toBe("pass")
    }).pipe(Effect.provide(layer(check)))
  })

  it.effect("is checked outside the deadline of whoever began it", () =>
    Effect.gen(function* () {
      const remaining: Array<string> = []
      const look = Effect.map(Deadline.remaining, ({ _tag }) => void remaining.push(_tag))
      const health = yield* Health.make()
      yield* health.register(Health.check("look", look)).pipe(Deadline.protect("1 second"))
      yield* TestClock.adjust("30 seconds")
      expect(remaining).toEqual(["None", "None", "None", "None"])
    }).pipe(Effect.scoped, Effect.provide(Drain.layer()))
  )

  it.effect("does not ask for a check whose scope has closed", () =>
    Effect.gen(function* () {
      const health = yield* Health.make()
      const runs = { count: 0 }
      const bad = Health.check(
        "bad",
        Effect.failSync(() => (runs.count += 1))
      )
      const inside = Effect.zipRight(health.register(bad), Effect.zipRight(Effect.yieldNow(), health.ready))
      expect((yield* Effect.scoped(inside)).status).toBe("fail")
      yield* TestClock.adjust("1 minute")
      expect(yield* health.ready).toEqual({ status: "pass", checks: {} })
      expect(runs.count).toBeLessThanOrEqual(1)
    }).pipe(Effect.scoped, Effect.provide(Drain.layer()))
  )

  it.effect("goes as soon as the drain begins, while the process is live until its end", () =>
    Effect.gen(function* () {
      expect(yield* ask("/health/ready")).toMatchObject({ status: 200 })
      const drain = yield* Drain.Drain
      const shutdown = yield* Effect.fork(drain.shutdown)
      yield* TestClock.adjust("1 millis")
      expect(yield* ask("/health/ready")).toMatchObject({ status: 503, body: { output: "shutting down" } })
      expect(yield* ask("/health/live")).toMatchObject({ status: 200, type: json, body: { status: "pass" } })
      yield* Fiber.interrupt(shutdown)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("dies with options of a check that are out of range", () =>
    Effect.gen(function* () {
      const check = Health.check("database", Effect.void, { timeout: 0, interval: -1 })
      const exit = yield* Effect.exit(Layer.build(layer(check)))
      const defects = Exit.isFailure(exit) ? [...Cause.defects(exit.cause)] : []
      expect(defects).toMatchObject([{ policy: "database", problems: [{ option: "timeout" }, { option: "interval" }] }])
      expect(defects[0]).toBeInstanceOf(InvalidOptions.InvalidOptions)
    }).pipe(Effect.scoped)
  )
})

describe("dependencies", () => {
  const trip = {
    tripPolicy: CircuitBreaker.consecutive(2),
    openDuration: "30 seconds",
    openJitter: 0
  } as const
  const fail = (policy: Policy.Policy<unknown>) =>
    Effect.replicateEffect(Effect.exit(policy.protect(Effect.fail("down"))), 2)

  it.effect("are healthy, degraded, unhealthy as their circuits open, and always 200", () =>
    Effect.gen(function* () {
      expect((yield* dependencies).health).toBe("HEALTHY")
      const payment = yield* Policy.standard("payment", { circuitBreaker: trip, retry: "none" })
      const stock = yield* CircuitBreaker.make("stock", trip)
      expect(yield* ask("/health/dependencies")).toMatchObject({
        status: 200,
        body: { status: "pass", health: "HEALTHY", checks: { payment: [{ status: "pass", observedValue: "Closed" }] } }
      })
      yield* Effect.exit(payment.protect(Effect.fail("down")))
      expect((yield* dependencies).checks.payment).toMatchObject([{ calls: 1, failures: 1, nextProbeMillis: null }])
      yield* Effect.exit(payment.protect(Effect.fail("down")))
      yield* TestClock.adjust("10 seconds")
      const degraded = yield* ask("/health/dependencies")
      expect(degraded).toMatchObject({ status: 200, type: json })
      expect(degraded.body).toMatchObject({
        status: "warn",
        health: "DEGRADED",
        output: "payment is Open",
        checks: {
          payment: [{ status: "fail", observedValue: "Open", nextProbeMillis: 20_000 }],
          stock: [{ status: "pass" }]
        }
      })
      expect(yield* ask("/health/live")).toMatchObject({ status: 200 })
      expect(yield* ask("/health/ready")).toMatchObject({ status: 200 })
      yield* fail(stock)
      expect(yield* ask("/health/dependencies")).toMatchObject({
        status: 200,
        body: { status: "fail", health: "UNHEALTHY", output: "payment is Open, stock is Open" }
      })
      yield* TestClock.adjust("20 seconds")
      expect(yield* dependencies).toMatchObject({
        health: "DEGRADED",
        checks: { payment: [{ observedValue: "HalfOpen" }] }
      })
      yield* payment.protect(Effect.void)
      yield* stock.reset
      expect((yield* dependencies).health).toBe("HEALTHY")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("count a circuit by what callers meet: isolated is open, disabled and observing are not", () =>
    Effect.gen(function* () {
      const one = yield* CircuitBreaker.make("one", trip)
      yield* one.isolate
      expect(yield* dependencies).toMatchObject({
        health: "UNHEALTHY",
        checks: { one: [{ observedValue: "Isolated" }] }
      })
      yield* one.disable
      expect(yield* dependencies).toMatchObject({ health: "HEALTHY", checks: { one: [{ observedValue: "Disabled" }] } })
      yield* one.observe
      yield* fail(one)
      expect(yield* dependencies).toMatchObject({
        health: "HEALTHY",
        checks: { one: [{ observedValue: "Open", observing: true, nextProbeMillis: null }] }
      })
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("of a Keyed are told together, without their keys", () =>
    Effect.gen(function* () {
      const tenants = yield* Keyed.make<string, Policy.Standard>("tenants", {
        lookup: () => Policy.standard("tenant", { circuitBreaker: trip, retry: "none" }),
        capacity: 10,
        idleTimeToLive: "1 hour"
      })
      expect((yield* dependencies).checks).toEqual({})
      yield* tenants.protect("card-4111")(Effect.void)
      yield* tenants.use("hunter2", fail)
      expect(yield* dependencies).toMatchObject({
        health: "DEGRADED",
        checks: { tenants: [{ observedValue: "Mixed", circuits: 2, open: 1, nextProbeMillis: 30_000 }] }
      })
      yield* tenants.use("card-4111", fail)
      const all = yield* ask("/health/dependencies")
      expect(all.body).toMatchObject({ health: "UNHEALTHY", checks: { tenants: [{ observedValue: "Open", open: 2 }] } })
      expect(all.text).not.toMatch(/4111|hunter2/)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("of one name stand under it together, whatever that name is", () =>
    Effect.gen(function* () {
      const [first] = yield* Effect.all([CircuitBreaker.make("__proto__"), CircuitBreaker.make("__proto__")])
      yield* first.isolate
      const { text } = yield* ask("/health/dependencies")
      expect(text).toContain('"__proto__":[{"status":"fail"')
      expect(text.match(/componentType/g)).toHaveLength(2)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})

describe("the routes", () => {
  const paths = ["live", "ready", "dependencies"]

  it.effect("are the same beside other routes, and in an HttpLayerRouter", () =>
    Effect.gen(function* () {
      const home = HttpRouter.empty.pipe(HttpRouter.get("/", HttpServerResponse.text('"home"')))
      const both = HttpRouter.concat(home, Health.router)
      expect(yield* ask("/", both)).toMatchObject({ status: 200, body: "home" })
      const health = Layer.effect(Health.Health, Health.Health)
      const context = yield* Effect.context<Health.Health>()
      const { dispose, handler } = HttpLayerRouter.toWebHandler(
        Layer.provide(Health.layerRouter, Layer.provide(health, Layer.succeedContext(context))),
        { disableLogger: true }
      )
      for (const path of paths) {
        const { body } = yield* ask(`/health/${path}`, both)
        const response = yield* Effect.promise(() => handler(new Request(`http://shop.test/health/${path}`)))
        expect(response.headers.get("cache-control")).toBe("no-store")
        expect(yield* Effect.promise(() => response.json())).toEqual(body)
      }
      yield* Effect.promise(dispose)
    }).pipe(Effect.provide(layer()))
  )
})
