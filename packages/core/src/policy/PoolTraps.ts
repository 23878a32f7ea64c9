/**
 * Policies that let more calls through than the pool behind them has connections.
 */
import { copiesOf, type Subject } from "./Budget.js"
import type { Trap } from "./Trap.js"

/** What lets the fewest attempts through at a time. A bulkhead counts calls, an adaptive limit each copy of them. */
const narrowest = (settings: Subject["settings"]) => {
  const copies = copiesOf(settings)
  const calls = {
    who: "bulkhead",
    option: "bulkhead.maxConcurrent",
    limit: settings.bulkhead?.limit ?? Infinity,
    copies
  }
  const attempts = settings.concurrency?.learning.max ?? Infinity
  return calls.limit * copies <= attempts
    ? calls
    : { who: "adaptive limit", option: "concurrency.max", limit: attempts, copies: 1 }
}

const mostAtOnce = ({ settings }: Subject): number => {
  const { copies, limit } = narrowest(settings)
  return limit * copies
}

/** More calls at a time than the pool has connections. */
export const pool = ({ options, settings }: Subject): ReadonlyArray<Trap> => {
  const { copies, limit, option, who } = narrowest(settings)
  const most = limit * copies
  if (options.pool === undefined || most === Infinity || most <= options.pool.size) return []
  const { name, size } = options.pool
  return [
    {
      rule: "pool",
      severity: "warning",
      message:
        `the ${who} lets ${limit} calls in${copies === 1 ? "" : `, in up to ${copies} copies each`}, ` +
        `the pool "${name}" has ${size}: ` +
        `${most - size} ${copies === 1 ? "callers" : "copies"} wait inside for a connection, ` +
        `${copies === 1 ? "each holding a permit" : "under the permits of their calls"}`,
      fix: `set ${option} to at most ${Math.max(1, Math.floor(size / copies))}`
    }
  ]
}

const count = (limit: number): string => (limit === Infinity ? "unlimited" : String(limit))

/** Policies over one pool, which together or by itself take too much of it. */
export const sharedPool = (subject: Subject, sharers: ReadonlyArray<Subject>): ReadonlyArray<Trap> => {
  const shared = subject.options.pool
  if (shared === undefined) return []
  const users = [subject, ...sharers.filter(({ options }) => options.pool?.name === shared.name)]
  const limits = users.map(mostAtOnce)
  const sum = limits.reduce((total, limit) => total + limit, 0)
  const greedy = users.filter((user) => mostAtOnce(user) > shared.size / 2)
  if (users.length < 2 || (sum <= shared.size && greedy.length === 0)) return []
  const over = sum > shared.size ? [`bulkheads ${limits.map(count).join(" + ")} add up to ${count(sum)}`] : []
  const half = greedy.map(({ name }) => `"${name}" alone may take over half`)
  return [
    {
      rule: "shared-pool",
      severity: "warning",
      message: `over the pool "${shared.name}" of ${shared.size}: ${[...over, ...half].join("; ")}`,
      fix: `let the bulkheads add up to at most ${shared.size}, none above ${Math.floor(shared.size / 2)}, or give each dependency a pool of its own`
    }
  ]
}
