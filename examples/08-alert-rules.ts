import { AlertRules, Grafana } from "@effect-resilience/observability"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

// The same options make the rules, and the tests of the rules.
const options: AlertRules.Options = {
  service: "payment",
  thresholds: { bulkhead: { above: 0.9, for: "5 minutes" } },
  runbook: "https://wiki.example/operating"
}
const rules = AlertRules.rules(options)
const tests = AlertRules.tests("payment.rules.yml", options)
const dashboard = Grafana.dashboard({ title: "Payment", uid: "payment", service: "payment" })

// A program of one's own writes them beside each other, where CI runs `promtool test rules payment.tests.yml`.
const folder = await mkdtemp(join(tmpdir(), "alerts-"))
await writeFile(join(folder, "payment.rules.yml"), AlertRules.format(rules))
await writeFile(join(folder, "payment.tests.yml"), AlertRules.format(tests))
await writeFile(join(folder, "payment.dashboard.json"), JSON.stringify(dashboard, undefined, 2))
await rm(folder, { recursive: true })

for (const { for: length, name, severity, when } of AlertRules.describe(options)) {
  const scenarios = tests.tests.filter((test) => test.name.startsWith(name)).length
  console.log(`${name} (${severity}): ${when}, ${length}; ${scenarios} scenarios`)
}
console.log(AlertRules.format(rules).split("\n").slice(-9).join("\n"))

// CircuitBreakerOpen (critical): a circuit is open, or opened within the last 1m, at once; 6 scenarios
// CircuitBreakerFlapping (warning): a circuit tripped more than 3 times within 1h, at once; 6 scenarios
// CircuitBreakerSlowBurn (info): a circuit tripped more than 4 times within 1d, at once; 5 scenarios
// TimeoutRateHigh (warning): more than 5% of attempts time out, 5m; 3 scenarios
// RetryRateHigh (warning): retries are more than 20% of the calls let through, 5m; 3 scenarios
// RetriesInVain (warning): less than 50% of retries succeed, 5m; 5 scenarios
// BulkheadNearLimit (warning): more than 90% of a bulkhead's permits are in use, 5m; 3 scenarios
// FallbackActive (warning): degraded answers are given, 5m; 3 scenarios
//         expr: 'fallback_active{service="payment"} == 1'
//         for: "5m"
//         labels:
//           severity: "warning"
//         annotations:
//           summary: "Users get degraded answers instead of those of {{ $labels.service }}."
//           description: "{{ $labels.instance }} has given fallbacks for {{ $labels.service }} all the time: what was meant for minutes has become normal."
//           runbook_url: "https://wiki.example/operating#fallbackactive"
//
