/** How many series there are at most, whatever is called and by how many names. */
import { Keyed, Policy, PolicyRegistry } from "@effect-resilience/core"
import { Prometheus, ResilienceMetrics } from "@effect-resilience/observability"
import { Effect, Layer } from "effect"
import { setImmediate } from "node:timers/promises"
import { expect, it } from "vitest"

/** Few where all tests run; continuous integration asks for a hundred thousand of each. */
const most = Number(process.env["SERIES"] ?? 2_000)

const inTurn = (each: (at: number) => Effect.Effect<unknown>) =>
  Effect.gen(function* () {
    for (let at = 0; at < most; at++) {
      yield* each(at)
      if (at % 1_000 === 0) yield* Effect.promise(() => setImmediate())
    }
  })

/** The values of a label in what is scraped, of services that begin with a name. */
const values = (text: string, label: string, service: string): ReadonlySet<string> =>
  new Set(
    text.split("\n").flatMap((line) => {
      const of = /service="([^"]*)"/.exec(line)?.[1] ?? ""
      const value = new RegExp(`[{,]${label}="([^"]*)"`).exec(line)?.[1]
      return value !== undefined && (of.startsWith(service) || of === "other") ? [value] : []
    })
  )

const run = <A>(program: Effect.Effect<A, never, never>, options: ResilienceMetrics.Options) =>
  Effect.runPromise(Effect.provide(program, Layer.merge(PolicyRegistry.layer, ResilienceMetrics.layer(options))))

it(`${most} endpoints have no more series than the cap, and what is beyond counts as other`, async () => {
  const program = Effect.gen(function* () {
    const policy = yield* Policy.standard("wide", { retry: "none" })
    yield* inTurn((at) => Effect.orDie(policy.with({ operation: `endpoint ${at}` }).protect(Effect.void)))
    return yield* Prometheus.text
  })
  const text = await run(Effect.scoped(program), {})
  // A hundred, one of which is for calls without a name, and `other`.
  expect(values(text, "endpoint", "wide").size).toBe(101)
  expect(text).toContain(
    `http_client_request_duration_seconds_count{service="wide",endpoint="other",status="ok"} ${most - 99}\n`
  )
}, 300_000)

it(`${most} keyed instances have no more series than the cap, and what is beyond counts as other`, async () => {
  const program = Effect.gen(function* () {
    const lodgers = yield* Keyed.make("lodgers", {
      lookup: (lodger: string) => Policy.standard(lodger, { retry: "none" }),
      capacity: 1_000,
      idleTimeToLive: "1 hour"
    })
    yield* inTurn((at) => Effect.orDie(lodgers.protect(`lodger-${at}`)(Effect.void)))
    return yield* Prometheus.text
  })
  const text = await run(Effect.scoped(program), { labelByKey: true })
  const services = values(text, "service", "lodger")
  // Two hundred, `other`, and the Keyed itself, which is registered by name.
  expect(services.size).toBeLessThanOrEqual(202)
  expect(services.size).toBeGreaterThan(190)
  expect(services.has("other")).toBe(true)
  const counts = [
    ...text.matchAll(/circuit_breaker_calls_total\{service="(?:lodger-\d+|other)",outcome="success"\} (\d+)/g)
  ]
  expect(counts.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(most)
}, 300_000)
