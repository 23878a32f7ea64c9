/** What promtool says of the rules: they parse, each alert fires when it should, and their tests notice when it does not. */
import { AlertRules } from "@effect-resilience/observability"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Prometheus from "../support/Prometheus.js"

const ruleFile = "resilience.rules.yml"
const testFile = "resilience.tests.yml"

const check = (rules: string) => Prometheus.promtool(["check", "rules", ruleFile], { [ruleFile]: rules })

const test = (rules: string, tests: AlertRules.TestFile) =>
  Prometheus.promtool(["test", "rules", testFile], { [ruleFile]: rules, [testFile]: AlertRules.format(tests) })

const rulesOf = (options: AlertRules.Options = {}) => AlertRules.format(AlertRules.rules(options))

const tests = AlertRules.tests(ruleFile)

/** The tests of one alert: promtool takes a while for all of them. */
const testsOf = (alert: string): AlertRules.TestFile => ({
  ...tests,
  tests: tests.tests.filter(({ name }) => name.startsWith(`${alert}: `))
})

/** Ways to break a rule, each with the scenario that only the rule as it is passes. */
const broken: ReadonlyArray<{
  readonly what: string
  readonly alert: string
  readonly from: string
  readonly to: string
  readonly noticed: string
}> = [
  {
    what: "a maximum over instances, in which half-open hides open",
    alert: "CircuitBreakerOpen",
    from: "circuit_breaker_state == 1 or",
    to: "max by (job, service) (circuit_breaker_state) == 1 or",
    noticed: "half-open in one instance does not mask open in another"
  },
  {
    what: "the gauge without the trips",
    alert: "CircuitBreakerOpen",
    from: "circuit_breaker_state == 1 or increase(circuit_breaker_trips_total[1m]) > 0",
    to: "circuit_breaker_state == 1",
    noticed: "an opening between two scrapes, which no gauge shows"
  },
  {
    what: "half-open taken for open",
    alert: "CircuitBreakerOpen",
    from: "circuit_breaker_state == 1 or",
    to: "circuit_breaker_state >= 1 or",
    noticed: "an idle service whose opening is over"
  },
  {
    what: "trips without the range",
    alert: "CircuitBreakerOpen",
    from: "increase(circuit_breaker_trips_total[1m]) > 0",
    to: "circuit_breaker_trips_total > 0",
    noticed: "a circuit that stays closed, and tripped before"
  },
  {
    what: "a count that is not rounded",
    alert: "CircuitBreakerFlapping",
    from: "round(increase(circuit_breaker_trips_total[1h])) > 3",
    to: "increase(circuit_breaker_trips_total[1h]) > 3",
    noticed: "3 trips within 1h, after others, and a scrape that was missed"
  },
  {
    what: "trips of all instances counted together",
    alert: "CircuitBreakerFlapping",
    from: "increase(circuit_breaker_trips_total[1h])",
    to: "sum without (instance) (increase(circuit_breaker_trips_total[1h]))",
    noticed: "4 trips within 1h, of two circuits"
  },
  {
    what: "one trip too many",
    alert: "CircuitBreakerSlowBurn",
    from: "[1d])) > 4",
    to: "[1d])) > 5",
    noticed: "5 trips within 1d"
  },
  {
    what: "timeouts of calls, not of attempts",
    alert: "TimeoutRateHigh",
    from: "http_client_attempt_duration_seconds_count",
    to: "http_client_request_duration_seconds_count",
    noticed: "timeouts just above the limit"
  },
  {
    what: "refused calls counted as calls",
    alert: "RetryRateHigh",
    from: '{status!~"open|rejected"}',
    to: "",
    noticed: "retries just above the limit, and many calls that were refused"
  },
  {
    what: "a success that must have been seen",
    alert: "RetriesInVain",
    from: " or 0 * sum by (job, service) (rate(http_client_retries_total[5m]))",
    to: "",
    noticed: "not one retry succeeds, and no series says so"
  },
  {
    what: "more than none",
    alert: "RetriesInVain",
    from: "job_service:http_client_retries_success:ratio < 0.5",
    to: "job_service:http_client_retries_success:ratio < 0.5 > 0",
    noticed: "not one retry succeeds"
  },
  {
    what: "as many as the limit",
    alert: "BulkheadNearLimit",
    from: "instance_service:bulkhead_active:ratio > 0.8",
    to: "instance_service:bulkhead_active:ratio >= 0.8",
    noticed: "as many permits in use as the limit says"
  },
  {
    what: "a scrape too early",
    alert: "FallbackActive",
    from: 'fallback_active == 1"\n        for: "5m"',
    to: 'fallback_active == 1"\n        for: "285s"',
    noticed: "a fallback for just too short a time"
  }
]

describe.skipIf(Prometheus.areLeftOut)(`promtool${Prometheus.hint}`, () => {
  it.effect("takes the rules, for all services and for one with a name that needs quoting", () =>
    Effect.gen(function* () {
      for (const options of [{}, { service: `a "b" 'c' \\ {{ d }} é\n#` }]) {
        const { ok, output } = yield* check(rulesOf(options))
        expect({ ok, output }).toEqual({ ok: true, output: expect.stringContaining("12 rules found") })
      }
    })
  )

  it.effect("sees every alert fire when it should, and stay silent just below", () =>
    Effect.gen(function* () {
      expect(yield* test(rulesOf(), tests)).toEqual({ ok: true, output: expect.stringContaining("SUCCESS") })
    })
  )

  it.effect("sees the same for other thresholds, for one service", () =>
    Effect.gen(function* () {
      const options: AlertRules.Options = {
        service: `pay "EU"`,
        scrapeInterval: "1 second",
        window: "4 seconds",
        runbook: "https://wiki.example/operating",
        thresholds: {
          timeouts: { above: 0.31, for: 0 },
          trips: { above: 0, within: "8 seconds" },
          slowBurn: { above: 1, within: "20 seconds" },
          retries: { above: 1.5, for: "1500 millis" },
          retrySuccess: { below: 1, for: "3 seconds" },
          bulkhead: { above: 0.07, for: 0 },
          fallback: { for: 0 }
        }
      }
      const { ok, output } = yield* test(rulesOf(options), AlertRules.tests(ruleFile, options))
      expect({ ok, output }).toEqual({ ok: true, output: expect.stringContaining("SUCCESS") })
    })
  )

  it.effect("sees five short openings a day, which the alert on an hour does not", () =>
    Effect.gen(function* () {
      const name = "five openings, four hours apart"
      const eachDay = "0x59 1x47 2x47 3x47 4x47 5x9"
      const at = (alertname: string, exp_alerts: ReadonlyArray<AlertRules.ExpectedAlert>) => ({
        eval_time: "1265m",
        alertname,
        exp_alerts
      })
      const burning = testsOf("CircuitBreakerSlowBurn").tests.flatMap(
        ({ alert_rule_test }) => alert_rule_test[0]?.exp_alerts ?? []
      )
      const slow: AlertRules.TestFile = {
        ...tests,
        evaluation_interval: "5m",
        tests: [
          {
            name,
            interval: "5m",
            input_series: [
              {
                series: `circuit_breaker_trips_total{service="payment",job="shop",instance="shop-1:9090"}`,
                values: eachDay
              }
            ],
            alert_rule_test: [at("CircuitBreakerSlowBurn", burning.slice(0, 1)), at("CircuitBreakerFlapping", [])]
          }
        ]
      }
      expect(burning).not.toEqual([])
      expect(yield* test(rulesOf(), slow)).toEqual({ ok: true, output: expect.stringContaining("SUCCESS") })
    })
  )

  it.effect("sees the rules for one service leave those for another alone", () =>
    Effect.gen(function* () {
      const lax = { service: "stock", thresholds: { timeouts: { above: 0.5 } } }
      const both = [AlertRules.rules({ service: "payment" }), AlertRules.rules(lax)]
      const rules = AlertRules.format({ groups: both.flatMap(({ groups }) => groups) })
      const some = AlertRules.tests(ruleFile, { service: "stock" }).tests.filter(({ name }) =>
        name.endsWith("timeouts just above the limit")
      )
      const silent = some.map((each) => ({
        ...each,
        alert_rule_test: each.alert_rule_test.map((moment) => ({ ...moment, exp_alerts: [] }))
      }))
      expect(silent).toHaveLength(1)
      const strict = AlertRules.format(AlertRules.rules({ service: "stock" }))
      expect((yield* test(strict, { ...tests, tests: silent })).ok, "it fires by rules that are strict").toBe(false)
      expect(yield* test(rules, { ...tests, tests: silent })).toEqual({
        ok: true,
        output: expect.stringContaining("SUCCESS")
      })
    })
  )

  for (const { alert, from, noticed, to, what } of broken) {
    it.effect(`notices in ${alert} ${what}`, () =>
      Effect.gen(function* () {
        const rules = rulesOf().split(from).join(to)
        expect(rules).not.toBe(rulesOf())
        const { ok, output } = yield* test(rules, testsOf(alert))
        expect({ ok, output }).toEqual({ ok: false, output: expect.stringContaining(`${alert}: ${noticed}`) })
      })
    )
  }
})
