import type { Case, Cost } from "./Question.js"

/** How many turns each of them has in a sample, and of how many calls: enough that hardly any garbage is another's. */
const turns = 15
const callsPerTurn = 400

const together = (costs: ReadonlyArray<Cost>): Cost => {
  const sum = (of: (cost: Cost) => number) => costs.reduce((total, cost) => total + of(cost), 0) / costs.length
  return { wall: sum(({ wall }) => wall), cpu: sum(({ cpu }) => cpu) }
}

const turn = async (run: Case["run"]): Promise<Cost> => {
  const cpuBefore = process.cpuUsage()
  const before = process.hrtime.bigint()
  await run(callsPerTurn)
  const wall = Number(process.hrtime.bigint() - before)
  const { system, user } = process.cpuUsage(cpuBefore)
  return { wall: wall / callsPerTurn, cpu: ((user + system) * 1000) / callsPerTurn }
}

/**
 * Cases whose difference is small against what each of them costs: measured turn by turn in one sample of all, so that what
 * slows the machine for a while slows all of them. The first that is asked in a round measures for the others.
 */
export const interleaved = (cases: ReadonlyArray<Pick<Case, "name" | "run">>): ReadonlyArray<Case> => {
  const measured = new Map<string, Cost>()
  const sample = async (): Promise<void> => {
    const costs = new Map(cases.map(({ name }): [string, Array<Cost>] => [name, []]))
    for (let n = 0; n < turns; n++) {
      const order = n % 2 === 0 ? cases : cases.toReversed()
      for (const { name, run } of order) costs.get(name)?.push(await turn(run))
    }
    for (const [name, of] of costs) measured.set(name, together(of))
  }
  return cases.map(({ name, run }) => ({
    name,
    run,
    calls: turns * callsPerTurn,
    cost: async () => {
      if (!measured.has(name)) await sample()
      const cost = measured.get(name)
      measured.delete(name)
      if (cost === undefined) throw new Error(`"${name}" was not measured`)
      return cost
    }
  }))
}
