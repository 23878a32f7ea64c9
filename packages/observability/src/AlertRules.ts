/**
 * Alerts of Prometheus about policies, and the tests of these alerts.
 *
 * An alert that never fired is a guess. So the rules come with a file for `promtool test rules` that is made of the same
 * thresholds: series just beyond a limit, on which an alert must fire, and series just short of it. Write both, run
 * `promtool` over them in CI, load the first into Prometheus.
 *
 * Ratios are of a service as a whole, its instances together; circuits, permits and fallbacks belong to an instance. The
 * rules know what `ResilienceMetrics` gives, under the label `service`: an operator that adds such a label to what it scrapes
 * must be told to honor those that are there.
 *
 * It does not say who is woken: that is Alertmanager's, by the label `severity`. It does not see a service that is not
 * scraped at all; for that alert on `up == 0`.
 */
import { InvalidOptions } from "@effect-resilience/core"
import { Either } from "effect"
import { type Alert, type AlertKey, alerts, section, type Severity } from "./alerts/Alerts.js"
import * as Calls from "./alerts/CallScenarios.js"
import * as Circuits from "./alerts/CircuitScenarios.js"
import { type Options, type Settings, settings } from "./alerts/Options.js"
import { type Ratio, ratios } from "./alerts/Ratios.js"
import { type Check, job, labelsOf, type Scenario, valueText } from "./alerts/Scenarios.js"
import { span } from "./PromQl.js"
import * as Yaml from "./Yaml.js"

export type { Severity } from "./alerts/Alerts.js"
export type { Count, LowShare, Options, Share, Thresholds } from "./alerts/Options.js"
export type { Ratio } from "./alerts/Ratios.js"

/** What an alert tells whoever gets it. */
export type Annotations = {
  readonly summary: string
  readonly description: string
  readonly runbook_url: string
}

/** An alerting rule. */
export type AlertRule = {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: { readonly severity: Severity }
  readonly annotations: Annotations
}

/** A rule file of Prometheus. */
export type RuleFile = {
  readonly groups: ReadonlyArray<{
    readonly name: string
    /** How often it is evaluated. */
    readonly interval: string
    readonly rules: ReadonlyArray<Ratio | AlertRule>
  }>
}

/** One firing alert that a test expects. */
export type ExpectedAlert = {
  readonly exp_labels: Readonly<Record<string, string>>
  readonly exp_annotations: Annotations
}

/** A file for `promtool test rules`. */
export type TestFile = {
  readonly rule_files: ReadonlyArray<string>
  readonly evaluation_interval: string
  readonly tests: ReadonlyArray<{
    readonly name: string
    readonly interval: string
    readonly input_series: ReadonlyArray<{ readonly series: string; readonly values: string }>
    readonly alert_rule_test: ReadonlyArray<{
      readonly eval_time: string
      readonly alertname: string
      readonly exp_alerts: ReadonlyArray<ExpectedAlert>
    }>
  }>
}

/** An alert, for whoever prints a table of them. */
export interface Described {
  readonly name: string
  readonly severity: Severity
  /** What must be the case, in words. */
  readonly when: string
  /** For how long. */
  readonly for: string
  /** The section of the runbook that is about it. */
  readonly section: string
}

const checked = (options: Options): Settings =>
  Either.getOrThrowWith(
    settings(options),
    (problems) => new InvalidOptions.InvalidOptions({ policy: "AlertRules", problems })
  )

const placeholders: Readonly<Record<Alert["value"], string>> = {
  share: "{{ $value | humanizePercentage }}",
  count: "{{ $value }}",
  flag: ""
}

const annotations = ({ runbook }: Settings, alert: Alert, subject: Parameters<Alert["summary"]>[0]): Annotations => ({
  summary: alert.summary(subject),
  description: alert.description(subject),
  runbook_url: `${runbook}#${section(alert.name)}`
})

const alertRule =
  (of: Settings) =>
  (alert: Alert): AlertRule => ({
    alert: alert.name,
    expr: alert.expr,
    ...(alert.forMillis === 0 ? {} : { for: span(alert.forMillis) }),
    labels: { severity: alert.severity },
    annotations: annotations(of, alert, {
      service: "{{ $labels.service }}",
      instance: "{{ $labels.instance }}",
      value: placeholders[alert.value]
    })
  })

const groupName = ({ service }: Settings): string => (service === undefined ? "resilience" : `resilience ${service}`)

/**
 * The rules: ratios that are recorded, then alerts. Those for one `service` may stand beside those for another, with other
 * thresholds, not beside those for all. Throws `InvalidOptions`.
 *
 * @example
 * ```ts
 * import { AlertRules } from "@effect-resilience/observability"
 *
 * const rules = AlertRules.rules({
 *   thresholds: { bulkhead: { above: 0.9, for: "5 minutes" } },
 *   runbook: "https://wiki.example/operating"
 * })
 * console.log(AlertRules.format(rules).split("\n").slice(0, 6).join("\n"))
 * // groups:
 * //   - name: "resilience"
 * //     interval: "15s"
 * //     rules:
 * //       - record: "job_service:http_client_timeouts:ratio"
 * //         expr: "sum by (job, service) (rate(http_client_timeouts_total[5m])) / sum by (job, service) (rate(http_client_attempt_duration_seconds_count[5m]))"
 * ```
 */
export const rules = (options: Options = {}): RuleFile => {
  const of = checked(options)
  const group = {
    name: groupName(of),
    // Seldom evaluated, a trip could fall between the ranges of two evaluations.
    interval: span(of.scrapeMillis),
    rules: [...ratios(of), ...Object.values<Alert>(alerts(of)).map(alertRule(of))]
  }
  return { groups: [group] }
}

const expected = (of: Settings, alert: Alert, { instance, value }: Check["firing"][number]): ExpectedAlert => {
  const { service } = labelsOf(of)
  return {
    exp_labels: { severity: alert.severity, job, service, ...(alert.scope === "instance" ? { instance } : {}) },
    exp_annotations: annotations(of, alert, { service, instance, value: valueText(alert, value) })
  }
}

const promtoolTest =
  (of: Settings) =>
  ({ alert, checks, given, name, stepMillis }: Scenario): TestFile["tests"][number] => {
    const last = Math.max(...checks.map(({ atMillis }) => atMillis))
    const scrapes = Math.ceil(last / stepMillis) + 1
    return {
      name: `${alert.name}: ${name}`,
      interval: span(stepMillis),
      input_series: given.map(({ series, values }) => ({ series, values: values(scrapes) })),
      alert_rule_test: checks.map(({ atMillis, firing }) => ({
        eval_time: span(atMillis),
        alertname: alert.name,
        exp_alerts: firing.map((each) => expected(of, alert, each))
      }))
    }
  }

/** The scenarios that show each alert firing, and staying silent. */
const scenarios = (of: Settings): ReadonlyArray<Scenario> => {
  const all = alerts(of)
  const shown: Readonly<Record<AlertKey, ReadonlyArray<Scenario>>> = {
    open: Circuits.openings(of, all),
    trips: Circuits.manyTrips(of, all.trips, of.trips),
    slowBurn: Circuits.manyTrips(of, all.slowBurn, of.slowBurn),
    timeouts: Calls.timeouts(of, all),
    retries: Calls.retries(of, all),
    retrySuccess: Calls.retrySuccess(of, all),
    bulkhead: Calls.bulkhead(of, all),
    fallback: Calls.fallback(of, all)
  }
  return Object.values(shown).flat()
}

/**
 * The tests of `rules(options)`, for a file beside `ruleFile`, which is the name that the rules were written under. Throws
 * `InvalidOptions`.
 *
 * @example
 * ```ts
 * import { AlertRules } from "@effect-resilience/observability"
 *
 * const tests = AlertRules.tests("resilience.rules.yml", { thresholds: { trips: { above: 2 } } })
 * console.log(tests.tests.map(({ name }) => name).filter((name) => name.startsWith("CircuitBreakerFlapping")))
 * // [
 * //   'CircuitBreakerFlapping: 3 trips within 1h',
 * //   'CircuitBreakerFlapping: 2 trips within 1h',
 * //   'CircuitBreakerFlapping: 3 trips in more than 1h',
 * //   'CircuitBreakerFlapping: 3 trips within 1h, of two circuits',
 * //   'CircuitBreakerFlapping: 3 trips within 1h, and a restart between them'
 * // ]
 * ```
 */
export const tests = (ruleFile: string, options: Options = {}): TestFile => {
  const of = checked(options)
  return {
    rule_files: [ruleFile],
    evaluation_interval: span(of.scrapeMillis),
    tests: scenarios(of).map(promtoolTest(of))
  }
}

/** The alerts of `rules(options)` in words, in their order. Throws `InvalidOptions`. */
export const describe = (options: Options = {}): ReadonlyArray<Described> =>
  Object.values<Alert>(alerts(checked(options))).map(({ forMillis, name, severity, when }) => ({
    name,
    severity,
    when,
    for: forMillis === 0 ? "at once" : span(forMillis),
    section: section(name)
  }))

/** Either file as YAML. */
export const format = (file: RuleFile | TestFile): string => Yaml.format(file)
