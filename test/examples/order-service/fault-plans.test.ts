/**
 * An outage of all dependencies at once, from plans of faults, against the application's own Layers and its routes: an order
 * a second and five pages a second. The same outage, compressed, under the `TestClock`, and with other seeds.
 */
import { Timeline, VirtualTime } from "@effect-resilience/chaos"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Predicate, Random, TestClock } from "effect"
import * as FaultyDependencies from "./FaultyDependencies.js"
import { type Answer, ask, layer, order } from "./OrderService.js"
import * as ScriptedDependencies from "./ScriptedDependencies.js"

const minute = 60_000

/**
 * Requests at about equal distances, and when and with what each was answered. Seldom at a distance from each other that is a
 * limit of time here, so that little happens at the same moment.
 */
const arriving = <E, R>(
  { count, every }: { readonly count: number; readonly every: number },
  request: (n: number) => Effect.Effect<Answer, E, R>
) =>
  Effect.gen(function* () {
    const times = Array.from({ length: count }, (_, n) => n * every + ((n * 37) % 97))
    const waiting = yield* Effect.forEach(times, (at, n) =>
      Effect.zipRight(Effect.sleep(at - (times[n - 1] ?? 0)), Effect.fork(request(n)))
    )
    const answers = yield* Fiber.join(Fiber.all(waiting))
    return answers.map((answer, n) => ({ at: times[n] ?? 0, answer }))
  })

/** The outage, where each part lasts so many milliseconds; openings of circuits are as much shorter as it is. */
const outage = (part: number, seed: number) =>
  Effect.gen(function* () {
    const town = ScriptedDependencies.make()
    const lasts = FaultyDependencies.parts * part
    const settings = { OPENING_SCALE: String(minute / part) }
    const service = layer(FaultyDependencies.make(town, { part, seed }), { settings })
    const played = Effect.gen(function* () {
      const [orders, pages] = yield* Effect.zip(
        arriving({ count: lasts / 1000, every: 1000 }, () => order()),
        arriving({ count: lasts / 200, every: 200 }, (n) => ask("GET", `/products/p${1 + (n % 200)}`)),
        { concurrent: true }
      )
      const found = yield* Effect.forEach(orders.keys(), (n) => ask("GET", `/orders/order-${n + 1}`))
      return { orders, pages, found }
    })
    // As in the application, nobody collects spans.
    const [exit, rows] = yield* Timeline.record(Effect.withTracerEnabled(Effect.provide(played, service), false))
    return { ...(yield* exit), town, rows, table: Timeline.table(rows, { details: true }) }
  })

const inVirtualTime = (part: number, seed: number) => VirtualTime.run(outage(part, seed), { seed })

/** A timeline without the order of what happened within a millisecond: that is not the same on two clocks. */
const byMoment = (rows: ReadonlyArray<Timeline.Row>) =>
  Timeline.table(
    rows.toSorted((one, other) => one.at - other.at || (wordsOf(one) < wordsOf(other) ? -1 : 1)),
    { details: true, collapse: false }
  )

const wordsOf = ({ detail, event, policy }: Timeline.Row) => [policy, event, detail].join()

const degradedOf = ({ body }: Answer) => (Predicate.hasProperty(body, "degraded") ? String(body.degraded) : "no page")

const statesOf = (rows: ReadonlyArray<Timeline.Row>, policy: string) =>
  rows.filter((row) => row.policy === policy && row.event === "CircuitChanged").map(({ at, state }) => ({ at, state }))

describe("eight minutes of outage from plans of faults", { timeout: 240_000 }, () => {
  it.effect("lose no order, charge each once, degrade pages where they can be, end, and are the same again", () =>
    Effect.gen(function* () {
      const { found, orders, pages, rows, table, town } = yield* inVirtualTime(minute, 1)
      expect((yield* inVirtualTime(minute, 1)).table).toBe(table)
      expect([orders.length, pages.length]).toEqual([480, 2400])

      // Every order was accepted; while payment's circuit was open all were pending, and in the end none is.
      const circuit = statesOf(rows, "payment")
      const opened = circuit[0]?.at ?? Number.NaN
      const closed = circuit.at(-1)?.at ?? Number.NaN
      expect([circuit[0]?.state, circuit.at(-1)?.state]).toEqual(["Open", "Closed"])
      expect(opened).toBeGreaterThan(minute)
      expect(closed).toBeGreaterThan(6 * minute)
      expect(closed).toBeLessThan(7 * minute)
      expect(orders.filter(({ answer: { status } }) => status !== 201 && status !== 202)).toEqual([])
      const duringIt = orders.filter(({ at }) => at > opened && at < closed)
      expect(duringIt.length).toBeGreaterThan(300)
      expect(duringIt.filter(({ answer }) => answer.status !== 202)).toEqual([])
      const last = orders.filter(({ at }) => at > 7 * minute)
      expect(last.filter(({ answer }) => answer.status !== 201)).toEqual([])
      expect(found.filter(({ body }) => !Predicate.hasProperty(body, "status") || body.status !== "confirmed")).toEqual(
        []
      )

      // Charged once, also where the reply was lost: payment was asked once for each order, and again for each lost reply.
      const lost = rows.filter(({ detail, policy }) => policy === "payment" && detail.includes("lostReply"))
      expect(lost.length).toBeGreaterThan(50)
      expect(town.callsTo("payment")).toHaveLength(480 + lost.length)
      expect([town.charges.size, ...new Set([...town.charges.values()].map((keys) => keys.size))]).toEqual([480, 1])
      expect([town.reservations.size, town.notices.length]).toEqual([480, 480])

      // While the circuit was not closed nothing but its probes was let through, and all but the last were hit.
      const probes = circuit.filter(({ state }) => state === "HalfOpen").length
      expect(
        rows.filter((row) => row.event === "FaultInjected" && row.policy === "payment" && row.state !== "Closed")
      ).toHaveLength(probes - 1)

      // A page is always one, says what it is without, and is whole again.
      expect(pages.filter(({ answer }) => answer.status !== 200)).toEqual([])
      const between = (from: number, to: number) => [
        ...new Set(
          pages.filter(({ at }) => at >= from * minute && at < to * minute).map((page) => degradedOf(page.answer))
        )
      ]
      expect(between(0, 2)).toEqual([""])
      expect(between(2, 3)).toEqual(["reviews"])
      expect(between(3, 4).toSorted()).toEqual(["reviews", "reviews,recommendations"])
      // One in ten answers: what a probe finds is chance, and the budget for retries allows few second chances.
      expect(between(4.5, 5)).toContain("recommendations")
      expect(between(4.5, 5).filter((degraded) => !["", "recommendations"].includes(degraded))).toEqual([])
      expect(between(5.5, 8)).toEqual([""])
      for (const policy of ["reviews", "recommendations"]) {
        const states = statesOf(rows, policy).map(({ state }) => state)
        expect([states[0], states.at(-1)]).toEqual(["Open", "Closed"])
      }
      for (const policy of ["inventory", "product", "pricing"]) expect(statesOf(rows, policy)).toEqual([])
    })
  )

  it.effect("compressed, are the same under the TestClock, and others with another seed", () =>
    Effect.gen(function* () {
      const part = 2500
      const virtual = yield* inVirtualTime(part, 1)
      const forked = yield* Effect.fork(Effect.withRandom(outage(part, 1), Random.make(1)))
      yield* TestClock.adjust(Duration.seconds(25))
      const tested = yield* Fiber.join(forked)
      expect(byMoment(tested.rows)).toBe(byMoment(virtual.rows))
      expect(tested.orders).toHaveLength(20)
      expect(statesOf(tested.rows, "payment").length).toBeGreaterThan(2)

      const other = yield* inVirtualTime(part, 2)
      expect(other.table).not.toBe(virtual.table)
      expect(other.town.charges.size).toBe(20)
    })
  )
})
