export * as MetricNames from "./MetricNames.js"
