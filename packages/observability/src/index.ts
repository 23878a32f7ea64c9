export * as AlertRules from "./AlertRules.js"
export * as MetricNames from "./MetricNames.js"
