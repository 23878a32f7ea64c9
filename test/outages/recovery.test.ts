/**
 * Recovery. A dependency crashes under a hundred clients, and their circuits open in the same moment; without jitter the
 * openings are over in the same moment too. It comes up cold and falls over when all probe it at once, again and again: what
 * began as an outage of fifteen seconds goes on by itself. Openings of different lengths bring the clients back one by one.
 */
import { CircuitBreaker, Policy } from "@effect-resilience/core"
import { Timeline } from "@effect-resilience/chaos"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, FiberId, Option } from "effect"
import { Unavailable } from "../support/Dependency.js"
import { played } from "../support/Outage.js"

const clients = 100
const crashes = 10_000
const returns = 25_000

/** Hangs from 8 s on and crashes at 10 s. From 25 s on it is up, and falls over for two seconds if it has over 20 calls. */
class Inventory {
  asked = 0
  falls = 0
  readonly allBack = Deferred.unsafeMake<void>(FiberId.none)
  private readonly back = new Set<number>()
  private running = 0
  private downUntil = 0

  readonly call = Effect.acquireUseRelease(
    Effect.sync(() => {
      this.asked++
      this.running++
    }),
    () => Effect.flatMap(Clock.currentTimeMillis, (now) => this.answer(now)),
    () => Effect.sync(() => this.running--)
  )

  private answer(now: number): Effect.Effect<void, Unavailable> {
    if (now < crashes - 2_000) return Effect.sleep("50 millis")
    if (now < crashes) return Effect.zipRight(Effect.sleep(Duration.millis(crashes - now)), new Unavailable({}))
    if (now < returns || now < this.downUntil) return new Unavailable({})
    if (this.running > 20) return Effect.zipRight(this.fall(now), new Unavailable({}))
    return Effect.zipRight(
      Effect.sleep("50 millis"),
      Effect.suspend(() => this.end)
    )
  }

  /** A call that ran while the dependency fell over fails with it. */
  private get end(): Effect.Effect<void, Unavailable> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => (now < this.downUntil ? new Unavailable({}) : Effect.void))
  }

  /** A client had an answer; when all had one since the outage, it is over. */
  readonly answered = (client: number) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (now >= returns) this.back.add(client)
      return this.back.size === clients ? Deferred.succeed(this.allBack, undefined) : Effect.void
    })

  private fall(now: number): Effect.Effect<void> {
    this.downUntil = now + 2_000
    this.falls++
    return Timeline.note("inventory", "falls over")
  }
}

/** A client that works on its own queue, a message a second, and comes back when its circuit says. */
const client = (n: number, inventory: Inventory, openJitter: number | undefined) =>
  Effect.gen(function* () {
    const policy = yield* Policy.standard(`client ${n}`, {
      timeout: "5 seconds",
      retry: "none",
      circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1), openDuration: "10 seconds", openJitter }
    })
    const message = policy.protect(inventory.call).pipe(
      Effect.matchEffect({
        onFailure: (error) =>
          error._tag === "CircuitOpen" ? Effect.sleep(Option.getOrElse(error.retryAfter, () => 1_000)) : Effect.void,
        onSuccess: () => Effect.zipRight(inventory.answered(n), Effect.sleep("1 second"))
      })
    )
    yield* Effect.sleep(10 * n)
    return yield* Effect.forever(message)
  })

/** The clients are too many to tell of. */
const keep = ({ policy }: Timeline.Row) => policy === "inventory"

const outage = (openJitter: number | undefined) =>
  Effect.gen(function* () {
    const inventory = new Inventory()
    for (let n = 0; n < clients; n++) yield* Effect.forkScoped(client(n, inventory, openJitter))
    yield* Deferred.await(inventory.allBack)
    return { asked: inventory.asked, falls: inventory.falls, allBackAt: yield* Clock.currentTimeMillis }
  })

describe("recovery of a hundred clients", () => {
  it.effect(
    "takes a hundred seconds more if their openings are over in the same moment, all but those that the falls pull apart",
    () =>
      Effect.gen(function* () {
        const { timeline, value } = yield* played(outage(0), { keep })
        expect(value).toEqual({ asked: 2065, falls: 10, allBackAt: 130_250 })
        expect(timeline).toEqual([
          "  time  policy     event       state",
          "30.000  inventory  falls over         x 10 until 120.150"
        ])
      })
  )

  it.effect("takes seven seconds if each circuit is open for a time of its own, as by default", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(outage(undefined), { keep })
      expect(value).toEqual({ asked: 1190, falls: 0, allBackAt: 31_844 })
      expect(timeline).toEqual(["time  policy  event  state"])
    })
  )
})
