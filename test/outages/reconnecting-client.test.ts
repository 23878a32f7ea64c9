/**
 * A client that reconnects by itself, which takes it five seconds. A caller who builds it anew because it does not answer
 * throws away a connection that was on its way: with callers enough it never comes up. Calls meanwhile must fall back.
 */
import { Fallback } from "@effect-resilience/core"
import { Timeline } from "@effect-resilience/chaos"
import { describe, expect, it } from "@effect/vitest"
import { Clock, Data, Effect } from "effect"
import { endings, played, requests, tally } from "../support/Outage.js"

class Reconnecting extends Data.TaggedError("Reconnecting") {}

/** A cache's client: how often it connected, and from when on it can be asked. */
class Client {
  connects = 0
  asked = 0
  private readyAt = 0

  /** Begins anew, by itself when the connection is lost. */
  readonly connect = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    this.connects++
    this.readyAt = now + 5_000
    return Timeline.note("cache", "connects")
  })

  readonly get = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    this.asked++
    return now < this.readyAt ? Effect.fail(new Reconnecting()) : Effect.succeed("cached")
  })
}

/** Ten calls a second for twenty seconds; the connection is lost after the first two. */
const outage = <E>(read: (client: Client) => Effect.Effect<Fallback.Served<string>, E>) =>
  Effect.gen(function* () {
    const client = new Client()
    yield* Effect.forkScoped(Effect.zipRight(Effect.sleep("1950 millis"), client.connect))
    const tiers: Array<string> = []
    const all = yield* requests(200, "100 millis", () =>
      Effect.tap(read(client), ({ tier }) => Effect.sync(() => tiers.push(tier)))
    )
    return { requests: endings(all), tiers: tally(tiers), connects: client.connects, asked: client.asked }
  })

const database = Effect.as(Effect.sleep("20 millis"), "stored")

const rebuilding = ({ connect, get }: Client) =>
  get.pipe(
    Effect.tapErrorTag("Reconnecting", () => connect),
    Fallback.primary,
    Fallback.tier("database", () => database)
  )

const patient = ({ get }: Client) =>
  get.pipe(
    Fallback.primary,
    Fallback.tier("database", { when: "Reconnecting" }, () => database)
  )

describe("a client that reconnects by itself", () => {
  it.effect("never comes up if calls that find it away build it anew", () =>
    Effect.gen(function* () {
      const { value } = yield* played(outage(rebuilding))
      expect(value).toEqual({
        requests: { Success: 200 },
        tiers: { primary: 20, database: 180 },
        connects: 181,
        asked: 200
      })
    })
  )

  it.effect("is back after its five seconds if they fall back", () =>
    Effect.gen(function* () {
      const { timeline, value } = yield* played(outage(patient))
      expect(value).toEqual({
        requests: { Success: 200 },
        tiers: { primary: 150, database: 50 },
        connects: 1,
        asked: 200
      })
      expect(timeline).toEqual([
        " time  policy    event           state",
        "1.950  cache     connects",
        "2.020  fallback  FallbackServed         x 50 until 6.920"
      ])
    })
  )
})
