/**
 * Measures the cases of one question: warm-up, then rounds in each of which every case runs once, in shuffled order.
 * Garbage is collected when the engine likes, never before a sample.
 */
import type { Case, Comparison, Cost, Question, Reading, Unit } from "./Question.js"
import { type Quartiles, quartiles, random, shuffled, type Verdict, verdict } from "./Statistics.js"

/** How long to measure. */
export interface Effort {
  readonly kind: "quick" | "thorough"
  readonly seed: number
  readonly rounds: number
  readonly sampleMillis: number
  readonly warmUpMillis: number
}

/** As long as it takes to be certain, or less. */
export const effortOf = (seed: number, quick: boolean): Effort =>
  quick
    ? { kind: "quick", seed, rounds: 15, sampleMillis: 5, warmUpMillis: 40 }
    : { kind: "thorough", seed, rounds: 31, sampleMillis: 120, warmUpMillis: 500 }

export interface Row {
  readonly name: string
  readonly wall: Quartiles
  readonly cpu: Quartiles
  readonly times: number
  readonly cpuTimes: number
}

export interface Finding {
  readonly question: string
  readonly peer: string
  readonly ours: number
  readonly theirs: number
  readonly ratio: Quartiles
  readonly goal: number
  readonly verdict: Verdict
}

export interface Answer {
  readonly id: number
  readonly title: string
  readonly unit: Unit
  readonly rows: ReadonlyArray<Row>
  readonly findings: ReadonlyArray<Finding>
}

/** What one of so many calls costs. */
export const sample = async (subject: Case, calls: number): Promise<Cost> => {
  if (subject.cost !== undefined) return subject.cost(calls)
  const cpuBefore = process.cpuUsage()
  const before = process.hrtime.bigint()
  await subject.run(calls)
  const wall = Number(process.hrtime.bigint() - before)
  const { system, user } = process.cpuUsage(cpuBefore)
  return { wall: wall / calls, cpu: ((user + system) * 1000) / calls }
}

/** Runs a case until it is warm, and finds how many calls fill a sample. */
const warmUp = async (subject: Case, effort: Effort): Promise<number> => {
  let calls = subject.calls ?? 64
  if (subject.cold === true) return calls
  let left = effort.warmUpMillis * 1e6
  for (let runs = 0; runs < (subject.calls === undefined ? 3 : 1) || left > 0; runs++) {
    const before = performance.now()
    const { wall } = await sample(subject, calls)
    left -= (performance.now() - before) * 1e6
    if (subject.calls === undefined) calls = Math.max(16, Math.round((effort.sampleMillis * 1e6) / wall))
  }
  return calls
}

const reading =
  (round: ReadonlyMap<string, Cost>): Reading =>
  (name) => {
    const cost = round.get(name)
    if (cost === undefined) throw new Error(`there is no case "${name}"`)
    return cost
  }

const find = (comparison: Comparison, rounds: ReadonlyArray<Reading>): Finding => {
  const { goal, peer, question } = comparison
  const ours = quartiles(rounds.map(comparison.ours)).median
  const theirs = quartiles(rounds.map(comparison.theirs)).median
  const ratio = quartiles(rounds.map((round) => comparison.ours(round) / comparison.theirs(round)))
  return { question, peer, ours, theirs, ratio, goal, verdict: verdict(ratio, goal) }
}

export const answer = async (question: Question, effort: Effort): Promise<Answer> => {
  const { afterwards, cases, comparisons, mostRounds, reference } = await question.prepare()
  const calls = new Map<string, number>()
  for (const subject of cases) calls.set(subject.name, await warmUp(subject, effort))
  const next = random(effort.seed)
  const rounds: Array<Reading> = []
  for (let round = 0; round < Math.min(effort.rounds, mostRounds?.[effort.kind] ?? Infinity); round++) {
    const costs = new Map<string, Cost>()
    for (const subject of shuffled(cases, next)) {
      costs.set(subject.name, await sample(subject, calls.get(subject.name) ?? 1))
    }
    rounds.push(reading(costs))
  }
  await afterwards?.()
  const rows = cases.map(({ name }) => ({
    name,
    wall: quartiles(rounds.map((of) => of(name).wall)),
    cpu: quartiles(rounds.map((of) => of(name).cpu)),
    times: quartiles(rounds.map((of) => of(name).wall / of(reference).wall)).median,
    cpuTimes: quartiles(rounds.map((of) => of(name).cpu / of(reference).cpu)).median
  }))
  const { id, title, unit = "ns" } = question
  return { id, title, unit, rows, findings: comparisons.map((comparison) => find(comparison, rounds)) }
}
