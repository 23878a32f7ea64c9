export * as MetricNames from "./MetricNames.js"
export * as Prometheus from "./Prometheus.js"
export * as ResilienceMetrics from "./ResilienceMetrics.js"
