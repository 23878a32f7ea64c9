/**
 * Series of Effect's metrics, each made once with its labels inside its key: what is updated within a call finds it by
 * `Map` and pays for nothing else.
 */
import { Metric, MetricBoundaries, MetricKey, type MetricKeyType, MetricLabel } from "effect"
import type { Definition } from "../MetricNames.js"

/** One series: adds to a counter, sets a gauge, observes in a histogram. */
export type Series = (value: number) => void

const untagged: ReadonlyArray<MetricLabel.MetricLabel> = []

const ofKey = <Out>(key: MetricKey.MetricKey<MetricKeyType.MetricKeyType<number, Out>>): Series => {
  const metric = Metric.fromMetricKey(key)
  metric.unsafeValue(untagged)
  return (value) => metric.unsafeUpdate(value, untagged)
}

/** The series of a metric with these values of its labels, which is there from now on. */
export const series = (definition: Definition, ...values: ReadonlyArray<string>): Series => {
  const { buckets = [], help, name, type } = definition
  const labels = definition.labels.map((label, at) => MetricLabel.make(label, values[at] ?? ""))
  const options = { description: help }
  switch (type) {
    case "counter":
      return ofKey(MetricKey.taggedWithLabels(MetricKey.counter(name, { ...options, incremental: true }), labels))
    case "gauge":
      return ofKey(MetricKey.taggedWithLabels(MetricKey.gauge(name, options), labels))
    case "histogram": {
      const boundaries = MetricBoundaries.fromIterable(buckets)
      return ofKey(MetricKey.taggedWithLabels(MetricKey.histogram(name, boundaries, help), labels))
    }
  }
}

/** What is there for each of some names, made when it is first asked for; what is beyond `most` shares that of `other`. */
export class Bounded<A> {
  private readonly byName = new Map<string, A>()
  constructor(
    private readonly most: number,
    private readonly make: (name: string) => A
  ) {}

  get(name: string): A {
    const known = this.byName.get(name)
    if (known !== undefined) return known
    return this.byName.size < this.most || name === other ? this.admit(name) : this.get(other)
  }

  /** As `get`, for names that a program has written down itself. */
  admit(name: string): A {
    const known = this.byName.get(name)
    if (known !== undefined) return known
    const made = this.make(name)
    this.byName.set(name, made)
    return made
  }

  get entries(): Iterable<readonly [string, A]> {
    return this.byName
  }
}

/** The label of all that is beyond a cap. */
export const other = "other"
