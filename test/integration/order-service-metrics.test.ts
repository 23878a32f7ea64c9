/** The order service as a process of its own, scraped under load and through an outage, by the tools of Prometheus. */
import { AlertRules, Grafana } from "@effect-resilience/observability"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Prometheus from "../support/Prometheus.js"
import { freePort } from "../support/Loopback.js"
import { dependencies, folder, type Service, start } from "../support/RunningOrderService.js"

const body = JSON.stringify({ productId: "p1", quantity: 1, amountCents: 1010 })

const asked = (url: string, init?: RequestInit) =>
  Effect.promise(async () => {
    const response = await fetch(url, init)
    return { status: response.status, text: await response.text() }
  })

/** Orders and pages, one after the other on each of some lines, until the scope closes. */
const load = ({ url }: Service) =>
  Effect.forEach(
    Array.from({ length: 3 }),
    () =>
      Effect.zip(asked(`${url}/orders`, { method: "POST", body }), asked(`${url}/products/p1`)).pipe(
        Effect.delay("20 millis"),
        Effect.forever,
        Effect.forkScoped
      ),
    { discard: true }
  )

const until = (url: string, sample: string) =>
  Effect.repeat(Effect.delay(asked(url), "100 millis"), { until: ({ text }) => text.includes(`\n${sample}`) })

const rules = AlertRules.rules({ scrapeInterval: "1 second", window: "5 seconds" })

/** The names of all series that an expression asks for. */
const namesIn = (expr: string): ReadonlyArray<string> => expr.match(/[a-z_:]+(?=[{[])/g) ?? []

const expressions = [
  ...rules.groups.flatMap((group) => group.rules.map(({ expr }) => expr)),
  ...Grafana.dashboard({ title: "shop" }).panels.flatMap((panel) =>
    "targets" in panel ? panel.targets.map(({ expr }) => expr) : []
  )
]

describe.skipIf(Prometheus.areLeftOut)(
  `the metrics of the order service${Prometheus.hint}`,
  { timeout: 180_000 },
  () => {
    it.live("please promtool under load, all but one name, on both of its ports", () =>
      Effect.gen(function* () {
        const town = yield* dependencies
        const admin = yield* freePort
        const service = yield* start(town.url, yield* folder, { ADMIN_PORT: `${admin}` })
        yield* load(service)
        const calls = "http_client_request_duration_seconds_count"
        yield* until(`${service.url}/metrics`, `${calls}{service="payment",endpoint="charge",status="ok"}`)
        yield* until(`${service.url}/metrics`, `${calls}{service="inventory",endpoint="available",status="ok"}`)
        for (const url of [`http://127.0.0.1:${admin}`, service.url]) {
          const { status, text } = yield* asked(`${url}/metrics`)
          expect(status).toBe(200)
          expect(text.split("\n").length).toBeGreaterThan(500)
          const { output } = yield* Prometheus.promtool(["check", "metrics"], {}, text)
          expect(output.trim().split("\n")).toEqual([expect.stringMatching(/^bulkhead_active_count /)])
        }
      }).pipe(Effect.scoped)
    )

    it.live(
      "let a real Prometheus see an outage begin and end, with every series that dashboard and rules ask for",
      () =>
        Effect.gen(function* () {
          const town = yield* dependencies
          const service = yield* start(town.url, yield* folder, { OPENING_SCALE: "15", HEDGE_REVIEWS: "true" })
          const prometheus = yield* Prometheus.serve(new URL(service.url).host, AlertRules.format(rules))
          yield* load(service)
          yield* prometheus.until("nothing to tell", (alerts) => alerts.length === 0)

          town.paymentIsOut = true
          const isBreaker = ({ labels }: Prometheus.ActiveAlert) => labels.alertname === "CircuitBreakerOpen"
          const firing = yield* prometheus.until("the breaker fires", (alerts) =>
            alerts.some((alert) => isBreaker(alert) && alert.state === "firing")
          )
          expect(firing.filter(isBreaker)).toMatchObject([{ labels: { service: "payment", severity: "critical" } }])
          const { text } = yield* asked(`${service.url}/metrics`)
          expect(text).toContain('endpoint="charge",status="500"')

          town.paymentIsOut = false
          yield* prometheus.until("it is resolved", (alerts) => !alerts.some(isBreaker))
          yield* until(`${service.url}/metrics`, 'circuit_breaker_state{service="payment"} 0')

          const named = new Set(expressions.flatMap(namesIn))
          expect(named.size).toBeGreaterThan(15)
          expect(yield* prometheus.names).toEqual(expect.arrayContaining([...named]))
        }).pipe(Effect.scoped)
    )
  }
)
