export * as AlertRules from "./AlertRules.js"
export * as Grafana from "./Grafana.js"
export * as MetricNames from "./MetricNames.js"
