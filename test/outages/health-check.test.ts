/**
 * A health check that must not follow its dependencies. One that asks them fails when they do, on every instance at once: the
 * orchestrator restarts a service that was well, and all that it still could do is gone. Here everything is down and every
 * pool is full.
 */
import { FaultPlan, Timeline } from "@effect-resilience/chaos"
import { Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { faulty, played, request } from "../support/Outage.js"

const names = ["database", "cache", "payment"] as const

/** Calls may take long: these hold their permits for as long as they hang. */
const options: Policy.StandardOptions = { deadline: "5 minutes", timeout: "5 minutes", bulkhead: { maxConcurrent: 2 } }

interface Client {
  readonly policy: Policy.Standard
  readonly ping: Effect.Effect<void, unknown>
}

/** Checks every ten seconds for a minute, and waits a second for the answer; three that fail in a row cost a restart. */
const orchestrator = <A>(check: Effect.Effect<A, unknown>) =>
  Effect.gen(function* () {
    const inRow: Array<string> = []
    let restarts = 0
    let slowest = 0
    for (let round = 0; round < 6; round++) {
      yield* Effect.sleep("10 seconds")
      const { end, took } = yield* request(Effect.timeout(check, "1 second"))
      slowest = Math.max(slowest, took)
      if (end === "Success") inRow.length = 0
      else if (inRow.push(end) === 3) {
        restarts++
        yield* Timeline.note("orchestrator", "restarts the service")
        inRow.length = 0
      }
    }
    return { restarts, slowest }
  })

/** Everything hangs, and each pool has more callers than permits. */
const outage = <A>(checkOf: (clients: ReadonlyArray<Client>) => Effect.Effect<A, unknown>) =>
  Effect.gen(function* () {
    let pings = 0
    const clients = yield* Effect.forEach(names, (name) =>
      Effect.gen(function* () {
        const { call } = yield* faulty(name, FaultPlan.make(FaultPlan.hang()), Effect.void)
        const policy = yield* Policy.standard(name, options)
        yield* Effect.replicateEffect(Effect.forkScoped(policy.protect(call)), 3)
        const counted = Effect.zipRight(
          Effect.sync(() => pings++),
          policy.protect(call)
        )
        return { policy, ping: counted }
      })
    )
    const seen = yield* orchestrator(checkOf(clients))
    return { ...seen, pings, told: yield* own(clients) }
  })

/** Asks every dependency, as its callers do. */
const following = (clients: ReadonlyArray<Client>) =>
  Effect.forEach(clients, ({ ping }) => ping, { concurrency: "unbounded", discard: true })

/** Tells what the policies know by themselves, and that the service is alive, whatever that is. */
const own = (clients: ReadonlyArray<Client>) =>
  Effect.forEach(clients, ({ policy: { bulkhead, name } }) =>
    Effect.map(Option.getOrThrow(bulkhead).snapshot, ({ active, limit }) => `${name}: ${active} of ${limit}`)
  )

/** One of the three tells for all. */
const keep = ({ policy }: Timeline.Row) => policy === "database" || policy === "orchestrator"

const told = ["database: 2 of 2", "cache: 2 of 2", "payment: 2 of 2"]

describe("a health check while everything is down and every pool is full", () => {
  it.effect("restarts a service that is well, if it asks the dependencies", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(outage(following), { keep })
      expect(value).toEqual({ restarts: 2, slowest: 0, pings: 18, told })
      expect(timeline).toEqual([
        "  time  policy        event                 state",
        " 0.000  database      CallRejected                 x 4 until 30.000",
        "30.000  orchestrator  restarts the service",
        "40.000  database      CallRejected                 x 3 until 60.000",
        "60.000  orchestrator  restarts the service"
      ])
    })
  )

  it.effect("answers at once without asking any, if it looks at what the policies know", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(outage(own), { keep })
      expect(value).toEqual({ restarts: 0, slowest: 0, pings: 0, told })
      expect(timeline).toEqual([" time  policy    event         state", "0.000  database  CallRejected"])
    })
  )
})
