/** A real Prometheus scrapes through an outage: its own API shows the alert on the breaker firing, and resolved. */
import { AlertRules } from "@effect-resilience/observability"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Http from "node:http"
import { listening } from "../support/Loopback.js"
import * as Prometheus from "../support/Prometheus.js"

const rules = AlertRules.format(
  AlertRules.rules({
    service: "payment",
    scrapeInterval: "1 second",
    window: "5 seconds",
    runbook: "https://wiki.example/operating",
    thresholds: { fallback: { for: "2 seconds" } }
  })
)

/** A service of which there is only its metrics; what they say can be set. */
const service = Effect.gen(function* () {
  const now = { state: 0, trips: 0, fallback: 0, scrapes: 0 }
  const server = Http.createServer((_request, response) => {
    now.scrapes += 1
    response.writeHead(200, { "content-type": "text/plain; version=0.0.4" })
    response.end(
      [
        "# TYPE circuit_breaker_state gauge",
        `circuit_breaker_state{service="payment"} ${now.state}`,
        `circuit_breaker_state{service="stock"} 1`,
        "# TYPE circuit_breaker_trips_total counter",
        `circuit_breaker_trips_total{service="payment"} ${now.trips}`,
        "# TYPE fallback_active gauge",
        `fallback_active{service="payment"} ${now.fallback}`,
        ""
      ].join("\n")
    )
  })
  const { host } = new URL(yield* listening(server))
  return Object.assign(now, { address: host })
})

const named = (alertname: string) => (alerts: ReadonlyArray<Prometheus.ActiveAlert>) =>
  alerts.filter(({ labels }) => labels.alertname === alertname)

describe.skipIf(Prometheus.areLeftOut)(`a real Prometheus${Prometheus.hint}`, () => {
  it.live("sees the breaker of the one service open and close, and the fallback only once it lasted", () =>
    Effect.gen(function* () {
      const shop = yield* service
      const prometheus = yield* Prometheus.serve(shop.address, rules)
      yield* prometheus.until("nothing to tell", (alerts) => alerts.length === 0)

      Object.assign(shop, { state: 1, trips: 1, fallback: 1 })
      const isFiring = ({ state }: Prometheus.ActiveAlert) => state === "firing"
      const firing = yield* prometheus.until("breaker and fallback fire", (alerts) =>
        ["CircuitBreakerOpen", "FallbackActive"].every((name) => named(name)(alerts).some(isFiring))
      )
      expect(named("CircuitBreakerOpen")(firing)).toMatchObject([
        {
          state: "firing",
          labels: { service: "payment", job: "shop", instance: shop.address, severity: "critical" },
          annotations: { runbook_url: "https://wiki.example/operating#circuitbreakeropen" }
        }
      ])

      Object.assign(shop, { state: 2, fallback: 0 })
      yield* prometheus.until("all is resolved", (alerts) => alerts.length === 0)
      Object.assign(shop, { state: 0 })
      yield* prometheus.until("nothing to tell", (alerts) => alerts.length === 0)
      expect(yield* prometheus.names).toEqual(
        expect.arrayContaining(["circuit_breaker_state", "circuit_breaker_trips_total", "ALERTS"])
      )
      expect(shop.scrapes).toBeGreaterThan(3)
    }).pipe(Effect.scoped)
  )

  it.live("fails at once, with what it printed, where it does not take the rules", () =>
    Effect.gen(function* () {
      const failed = yield* Effect.flip(Prometheus.serve("127.0.0.1:9", "groups: 7"))
      expect(failed.message).toContain("prometheus ended")
      expect(failed.message).toContain("rules.yml")
    }).pipe(Effect.scoped)
  )
})
