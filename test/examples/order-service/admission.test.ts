/** Who is let in: the limits of callers, and what is shed first. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, TestClock } from "effect"
import { ask, layer, order } from "./OrderService.js"
import * as ScriptedDependencies from "./ScriptedDependencies.js"

/** Asks for an order that is not there, which costs nothing. */
const asked = (apiKey?: string) =>
  Effect.map(ask("GET", "/orders/none", undefined, apiKey === undefined ? {} : { "x-api-key": apiKey }), (answer) =>
    answer.status === 429 ? "limited" : "let in"
  )

const times = (count: number, apiKey?: string) => Effect.replicateEffect(asked(apiKey), count)

const letIn = (count: number) => Array.from({ length: count }, () => "let in")

const tiers = { API_KEYS: "a, b", PREMIUM_API_KEYS: "gold", RATE_LIMIT: "2", RATE_LIMIT_PREMIUM: "5" }

describe("the limits of callers", () => {
  it.effect("are one for each key, of two tiers, and one for all of unknown keys from one address", () =>
    Effect.gen(function* () {
      expect(yield* times(3, "a")).toEqual([...letIn(2), "limited"])
      expect(yield* times(3, "b")).toEqual([...letIn(2), "limited"])
      expect(yield* times(6, "gold")).toEqual([...letIn(5), "limited"])
      expect([yield* asked("guess"), yield* asked("another"), yield* asked()]).toEqual([...letIn(2), "limited"])
      yield* TestClock.adjust("1 minute")
      expect(yield* times(6, "gold")).toEqual([...letIn(5), "limited"])
    }).pipe(Effect.provide(layer(ScriptedDependencies.make(), { settings: tiers })))
  )

  it.effect("refuse an order before anything is done for it, and say when to come again", () => {
    const town = ScriptedDependencies.make()
    return Effect.gen(function* () {
      yield* times(2)
      expect(yield* order()).toMatchObject({
        status: 429,
        headers: { "retry-after": expect.stringMatching(/^3\d$/), "content-type": "application/problem+json" },
        body: { title: "Too Many Requests", status: 429 }
      })
      expect(town.calls).toEqual([])
    }).pipe(Effect.provide(layer(town, { settings: tiers })))
  })

  it.effect("do not count probes and scrapes", () =>
    Effect.gen(function* () {
      const probes = yield* Effect.forEach(Array.from({ length: 5 }), () => ask("GET", "/health/live"))
      expect(probes.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
      expect(yield* times(3)).toEqual([...letIn(2), "limited"])
      expect(yield* ask("GET", "/health/ready")).toMatchObject({ status: 200 })
    }).pipe(Effect.provide(layer(ScriptedDependencies.make(), { settings: tiers })))
  )

  for (const policies of ["off", "timeouts"] as const) {
    it.effect(`are not there with policies ${policies}`, () =>
      Effect.gen(function* () {
        expect(yield* times(5)).toEqual(letIn(5))
      }).pipe(Effect.provide(layer(ScriptedDependencies.make(), { policies, settings: tiers })))
    )
  }

  it.effect("and the capacity are refused by the name of the variable where they make no sense", () =>
    Effect.gen(function* () {
      const wrong = { CAPACITY: "many", CAPACITY_MIN: "0", RATE_LIMIT: "-1", TRUSTED_PROXIES: "nobody" }
      for (const [name, value] of Object.entries(wrong)) {
        const town = ScriptedDependencies.make()
        const exit = yield* Effect.exit(Effect.provide(Effect.void, layer(town, { settings: { [name]: value } })))
        expect(Exit.isFailure(exit) && String(exit.cause), name).toContain(name)
      }
    })
  )
})

describe("with all there is in use", () => {
  const line = 64
  const many = (request: ReturnType<typeof ask>) =>
    Effect.forEach(Array.from({ length: line }), () => Effect.fork(request))

  const statuses = (fibers: ReadonlyArray<Fiber.RuntimeFiber<{ readonly status: number }>>) =>
    Effect.map(Effect.forEach(fibers, Fiber.poll), (exits) => [
      ...new Set(
        exits.map((exit) => {
          if (exit._tag === "None") return "waits"
          return Exit.isSuccess(exit.value) ? exit.value.value.status : "failed"
        })
      )
    ])

  it.effect("recommendations are shed before product pages, pages before orders, and probes never", () => {
    const town = ScriptedDependencies.make()
    town.health.payment = "hangs"
    return Effect.gen(function* () {
      yield* Effect.fork(order())
      yield* TestClock.adjust("50 millis")
      const hints = yield* many(ask("GET", "/products/p5/recommendations"))
      yield* TestClock.adjust("1 millis")
      expect(yield* statuses(hints)).toEqual(["waits"])

      const pages = yield* many(ask("GET", "/products/p5"))
      yield* TestClock.adjust("1 millis")
      expect([yield* statuses(hints), yield* statuses(pages)]).toEqual([[503], ["waits"]])

      const orders = yield* many(order())
      yield* TestClock.adjust("1 millis")
      expect([yield* statuses(pages), yield* statuses(orders)]).toEqual([[503], ["waits"]])

      expect(yield* ask("GET", "/products/p5")).toMatchObject({
        status: 503,
        headers: { "retry-after": expect.stringMatching(/^[1-5]$/), "content-type": "application/problem+json" },
        body: { title: "Service Unavailable", status: 503 }
      })
      for (const probe of ["live", "ready", "dependencies"]) {
        expect(yield* ask("GET", `/health/${probe}`)).toMatchObject({ status: 200 })
      }
      // One order is at payment; nothing was done for anybody else.
      expect(town.calls.map(({ to }) => to)).toEqual(["inventory", "payment"])
    }).pipe(Effect.provide(layer(town, { settings: { CAPACITY: "1" } })))
  })
})

describe("recommendations by themselves", () => {
  const recommended = Effect.gen(function* () {
    const fiber = yield* Effect.fork(ask("GET", "/products/p5/recommendations"))
    yield* TestClock.adjust("1 second")
    return yield* Fiber.join(fiber)
  })

  it.effect("are what goes with a product, with no substitute", () => {
    const town = ScriptedDependencies.make()
    return Effect.gen(function* () {
      expect(yield* recommended).toMatchObject({ status: 200, body: { id: "p5", recommendations: ["p7", "p8"] } })
      town.health.recommendations = "refuses"
      expect(yield* recommended).toMatchObject({ status: 503, headers: { "retry-after": expect.anything() } })
      expect(town.callsTo("popular")).toEqual([])
      expect(yield* ask("POST", "/products/p5/recommendations")).toMatchObject({ status: 405 })
    }).pipe(Effect.provide(layer(town)))
  })
})
