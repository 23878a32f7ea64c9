/**
 * Series of Effect's metrics, each made once with its labels inside its key: what is updated within a call finds it by
 * `Map` and pays for nothing else.
 */
import { Metric, MetricBoundaries, MetricKey, type MetricKeyType, MetricLabel } from "effect"
import { all, type Definition } from "../MetricNames.js"

/** One series: adds to a counter, sets a gauge, observes in a histogram. */
export type Series = (value: number) => void

type Labels = ReadonlyArray<MetricLabel.MetricLabel>

const untagged: Labels = []

const ofKey = <Out>(key: MetricKey.MetricKey<MetricKeyType.MetricKeyType<number, Out>>): Series => {
  const metric = Metric.fromMetricKey(key)
  metric.unsafeValue(untagged)
  return (value) => metric.unsafeUpdate(value, untagged)
}

/** What makes the series of a metric of which the labels are known: what they share is made once, hashed and checked. */
const ofDefinition = ({ buckets = [], help: description, name, type }: Definition): ((labels: Labels) => Series) => {
  switch (type) {
    case "counter": {
      const key = MetricKey.counter(name, { description, incremental: true })
      return (labels) => ofKey(MetricKey.taggedWithLabels(key, labels))
    }
    case "gauge":
    case "summary": {
      const key = MetricKey.gauge(name, { description })
      return (labels) => ofKey(MetricKey.taggedWithLabels(key, labels))
    }
    case "histogram": {
      const key = MetricKey.histogram(name, MetricBoundaries.fromIterable(buckets), description)
      return (labels) => ofKey(MetricKey.taggedWithLabels(key, labels))
    }
  }
}

const makers = new Map(all.map((definition) => [definition.name, ofDefinition(definition)]))

/** The series of a metric with these values of its labels, which is there from now on. */
export const series = (definition: Definition, ...values: ReadonlyArray<string>): Series => {
  const make = makers.get(definition.name) ?? ofDefinition(definition)
  return make(definition.labels.map((label, at) => MetricLabel.make(label, values[at] ?? "")))
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
const other = "other"
