/** What a client does about an answer which says that nothing is left of a quota. */
import { Backoff, Telemetry } from "@effect-resilience/core"
import { ResilientHttpClient } from "@effect-resilience/http"
import { Headers, HttpClient } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Clock, Duration, Effect, Exit, Fiber, Option, Random, TestClock } from "effect"
import { exhausted } from "../../packages/http/src/client/Quotas.js"
import { begin, play } from "../support/Play.js"
import { type Answer, ScriptedClient } from "../support/ScriptedClient.js"

const at = "http://a.example/x"
const options: ResilientHttpClient.Options = {
  retry: { maxRetries: 1, backoff: Backoff.constant("100 millis") },
  timeout: "1 second",
  deadline: "1 minute"
}

/** A client of this script, and when its requests were sent. */
const scripted = (more: ResilientHttpClient.Options, ...script: ReadonlyArray<Answer>) =>
  Effect.gen(function* () {
    const sent: Array<number> = []
    const bare = new ScriptedClient(...script)
    const noted = HttpClient.transform(bare.client, (answer) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        sent.push(now)
        return answer
      })
    )
    const client = yield* ResilientHttpClient.protect(noted, "shop", { ...options, ...more })
    // No wait is stretched.
    const get = (url: string) => Effect.withRandom(client.get(url), Random.fixed([0]))
    return { bare, client, get, sent }
  })

const saying = (headers: Record<string, string>, status = 200): Answer => ({ status, headers })
const nothingLeft = saying({ ratelimit: '"api";r=0;t=5', "ratelimit-policy": '"api";q=100;w=60' })

describe("an answer that says that nothing is left", () => {
  it.scoped("makes the next call at that origin wait until there is, as long as the attempt's limit and longer", () =>
    Effect.gen(function* () {
      const { get, sent } = yield* scripted({}, nothingLeft, {})
      yield* get(at)
      const { at: ended, exit } = yield* play(get(at))
      expect(exit).toMatchObject(Exit.succeed({ status: 200 }))
      expect([ended, sent]).toEqual([5000, [0, 5000]])
      // And nobody after it.
      yield* get(at)
      expect(sent).toHaveLength(3)
    })
  )

  it.scoped("says nothing about other origins", () =>
    Effect.gen(function* () {
      const { get, sent } = yield* scripted({}, nothingLeft, {})
      yield* get(at)
      yield* get("http://b.example/x")
      yield* get("http://a.example:8080/x")
      expect(sent).toEqual([0, 0, 0])
    })
  )

  it.scoped("refuses at once what cannot wait so long, with the hint, and asks nobody", () =>
    Effect.gen(function* () {
      const rows: ReadonlyArray<ResilientHttpClient.Options> = [
        { deadline: "5 seconds", timeout: "500 millis" },
        { rateLimitHeaders: { maxWait: "4999 millis" } },
        { rateLimitHeaders: { maxWait: 0 } }
      ]
      for (const row of rows) {
        const { get, sent } = yield* scripted(row, nothingLeft, {})
        const now = yield* Clock.currentTimeMillis
        yield* get(at)
        const { at: ended, events, exit } = yield* play(get(at), 0)
        expect(exit).toMatchObject(
          Exit.fail({
            _tag: "RateLimited",
            policy: "shop http://a.example",
            key: "http://a.example",
            limit: 100,
            remaining: 0,
            retryAfter: Option.some(Duration.seconds(5))
          })
        )
        expect([ended - now, sent.length]).toEqual([0, 1])
        expect(events.filter(({ _tag }) => _tag === "CallRejected")).toMatchObject([
          { by: "rateLimit", policy: "shop http://a.example", keyed: "shop", retryAfter: 5000 }
        ])
        yield* TestClock.adjust("5 seconds")
        yield* get(at)
        expect(sent).toHaveLength(2)
      }
      // Just time enough.
      const { get, sent } = yield* scripted({ rateLimitHeaders: { maxWait: "5 seconds" } }, nothingLeft, {})
      yield* get(at)
      yield* play(get(at))
      expect(sent).toHaveLength(2)
    })
  )

  it.scoped("is left to itself where one does not want it", () =>
    Effect.gen(function* () {
      const { get, sent } = yield* scripted({ rateLimitHeaders: "none" }, nothingLeft, {})
      yield* get(at)
      yield* get(at)
      expect(sent).toEqual([0, 0])
    })
  )

  it.scoped("is heard of a 429 as well, and of one that a client has made an error of", () =>
    Effect.gen(function* () {
      const limited = saying({ ratelimit: '"api";r=0;t=5' }, 429)
      const { get, sent } = yield* scripted({ retry: "none" }, limited, {})
      expect(yield* get(at)).toMatchObject({ status: 429 })
      yield* play(get(at))
      expect(sent).toEqual([0, 5000])

      const bare = new ScriptedClient(limited, {})
      const client = yield* ResilientHttpClient.protect(HttpClient.filterStatusOk(bare.client), "shop", {
        ...options,
        retry: "none"
      })
      yield* Effect.exit(client.get(at))
      const fiber = yield* Effect.fork(client.get(at))
      yield* TestClock.adjust("4999 millis")
      expect(bare.requests).toHaveLength(1)
      yield* TestClock.adjust("1 second")
      expect((yield* Fiber.join(fiber)).status).toBe(200)
    })
  )

  it.scoped("that says more meanwhile is waited for longer, and one that says less is late", () =>
    Effect.gen(function* () {
      const after = (millis: number, reset: number): Answer => ({
        ...saying({ ratelimit: `"api";r=0;t=${reset}` }),
        after: Effect.sleep(millis)
      })
      const slow = yield* scripted({ timeout: "10 seconds" }, after(0, 5), after(2000, 6), after(3000, 1), {})
      const running = yield* Effect.forEach([1, 2, 3], () => begin(slow.get(at)))
      yield* TestClock.adjust("4 seconds")
      const waiting = yield* begin(slow.get(at))
      yield* TestClock.adjust("1 minute")
      expect((yield* waiting.end).exit._tag).toBe("Success")
      for (const { end } of running) expect((yield* end).exit._tag).toBe("Success")
      // After 0 s: 5 s more; after 2 s: 6 s more; after 3 s: 1 s more, which is earlier.
      expect(slow.sent).toEqual([0, 0, 0, 8000])
    })
  )

  it.scoped("is not believed for longer than five minutes", () =>
    Effect.gen(function* () {
      const { get, sent } = yield* scripted({}, saying({ ratelimit: '"api";r=0;t=86400' }), {})
      yield* get(at)
      expect((yield* play(get(at), 0)).exit).toMatchObject(Exit.fail({ retryAfter: Option.some(Duration.minutes(5)) }))
      yield* TestClock.adjust("5 minutes")
      yield* get(at)
      expect(sent).toEqual([0, 300_000])
    })
  )

  it.scoped("holds up no call that is given up meanwhile, and keeps no permit of it", () =>
    Effect.gen(function* () {
      const { get, sent } = yield* scripted({ bulkhead: { maxConcurrent: 1 } }, nothingLeft, {})
      yield* get(at)
      const { end, fiber } = yield* begin(get(at))
      yield* TestClock.adjust("1 second")
      expect((yield* Effect.exit(get(at)))._tag).toBe("Failure")
      yield* Fiber.interrupt(fiber)
      expect((yield* end).exit._tag).toBe("Failure")
      yield* TestClock.adjust("4 seconds")
      yield* get(at)
      expect(sent).toEqual([0, 5000])
    })
  )

  it.scoped("spreads those who wait, and tells of each how long it has waited", () =>
    Effect.gen(function* () {
      const { client, sent } = yield* scripted({}, nothingLeft, {})
      yield* client.get(at)
      const delays: Array<number> = []
      const hearing = Telemetry.layer((event) => event._tag === "PermitsTaken" && delays.push(event.delay), {
        calls: true
      })
      const all = Effect.forEach([1, 2, 3, 4, 5, 6], () => client.get(at), { concurrency: "unbounded" })
      const fiber = yield* Effect.fork(Effect.withRandom(Effect.provide(all, hearing), Random.make("a seed")))
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      const waits = sent.slice(1)
      expect(waits).toHaveLength(6)
      expect(new Set(waits).size).toBeGreaterThan(3)
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(5000)
      expect(Math.max(...waits)).toBeLessThanOrEqual(5500)
      expect(delays.toSorted()).toEqual(waits.toSorted())
    })
  )

  it.effect("is refused where the options cannot be meant", () =>
    Effect.gen(function* () {
      for (const rateLimitHeaders of [{ maxWait: -1 }, { maxWait: "30 days" }] as const) {
        const exit = yield* Effect.exit(
          Effect.scoped(ResilientHttpClient.protect(new ScriptedClient({}).client, "a", { rateLimitHeaders }))
        )
        expect(Exit.isFailure(exit) && Cause.squash(exit.cause)).toMatchObject({
          problems: [{ option: "rateLimitHeaders.maxWait" }]
        })
      }
    })
  )
})

describe("what headers say of quotas that are used up", () => {
  const now = 1_700_000_000_500
  const read = (headers: Record<string, string>) => exhausted(Headers.fromInput(headers), () => now)

  it("is the longest wait of those, and how much there is", () => {
    const rows: ReadonlyArray<readonly [Record<string, string>, ReturnType<typeof read>]> = [
      [{ ratelimit: '"api";r=0;t=5' }, { waitMillis: 5000, limit: 0 }],
      [
        { ratelimit: '"a";r=0;t=5, "b";r=0;t=9, "c";r=1;t=99', "ratelimit-policy": '"a";q=1;w=1, "b";q=7;w=60' },
        { waitMillis: 9000, limit: 7 }
      ],
      [{ ratelimit: "limit=10, remaining=0, reset=3" }, { waitMillis: 3000, limit: 0 }],
      [
        { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "3", "x-ratelimit-limit": "10" },
        { waitMillis: 3000, limit: 10 }
      ],
      [
        { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000004" },
        { waitMillis: 3500, limit: 0 }
      ],
      // The draft's header is what goes where both are there.
      [{ ratelimit: '"api";r=1;t=5', "x-ratelimit-remaining": "0", "x-ratelimit-reset": "3" }, undefined],
      [{ ratelimit: '"api";r=1;t=5' }, undefined],
      [{ ratelimit: '"api";r=0' }, undefined],
      [{ ratelimit: '"api";t=5' }, undefined],
      [{ ratelimit: '"api";r=0;t=0' }, undefined],
      [{ ratelimit: "soon" }, undefined],
      [{ "x-ratelimit-remaining": "0" }, undefined],
      [{ "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1699999999" }, undefined],
      [{ "x-ratelimit-remaining": "none", "x-ratelimit-reset": "3" }, undefined],
      [{}, undefined]
    ]
    for (const [headers, expected] of rows) expect(read(headers), JSON.stringify(headers)).toEqual(expected)
  })
})
