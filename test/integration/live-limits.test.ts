/** Limits on the live clock, where one timer stands behind all of them. */
import { Timeout } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { Dice } from "../support/Dice.js"
import { runSources } from "../support/programs.js"

describe("limits on the live clock", () => {
  it.live("each ends its own work and no other's, however many there are", () =>
    Effect.gen(function* () {
      const dice = new Dice(1)
      const long = yield* Timeout.make("long", { duration: "1 hour" })
      const limits = yield* Effect.forEach([1, 5, 20, 45], (millis) => Timeout.make("many", { duration: millis }))
      const ended: Array<string> = []
      const calls = Array.from({ length: 1_000 }, (_, n) => {
        const hangs = dice.happens(0.5)
        const limit = hangs ? (limits[dice.between(0, limits.length - 1)] ?? long) : long
        const work = hangs
          ? Effect.onInterrupt(Effect.never, () => Effect.sync(() => ended.push("let go")))
          : Effect.as(Effect.yieldNow(), n)
        return Effect.map(Effect.exit(limit.protect(work)), (exit) => ({ hangs, n, exit }))
      })
      const answers = yield* Effect.all(calls, { concurrency: "unbounded" })
      const hanging = answers.filter(({ hangs }) => hangs)
      expect(hanging.length).toBeGreaterThan(100)
      expect(ended).toHaveLength(hanging.length)
      expect(hanging.every(({ exit }) => Exit.isFailure(exit) && JSON.stringify(exit).includes("TimedOut"))).toBe(true)
      for (const { exit, hangs, n } of answers) if (!hangs) expect(exit).toStrictEqual(Exit.succeed(n))
    }).pipe(Effect.scoped)
  )

  it("keep the process alive while somebody waits, and no longer", async () => {
    const program = (work: string) => `
      import { Timeout } from "@effect-resilience/core"
      import { Effect } from "effect"
      const program = Effect.gen(function* () {
        const short = yield* Timeout.make("short", { duration: "50 millis" })
        const long = yield* Timeout.make("long", { duration: "1 hour" })
        return yield* ${work}
      })
      Effect.runPromise(Effect.scoped(program)).then(console.log)
    `
    const hangs = program(`Effect.flip(short.protect(Effect.never)).pipe(Effect.map((error) => error._tag))`)
    const ends = program(`long.protect(Effect.succeed("in time"))`)
    expect(await runSources([ends, hangs])).toEqual([
      { ok: true, output: "in time" },
      { ok: true, output: "TimedOut" }
    ])
  })

  it("are reached also after a timer that never fired, such as a fake one of a test", async () => {
    const afterFake = `
      import { Timeout } from "@effect-resilience/core"
      import { Effect } from "effect"
      const real = globalThis.setTimeout
      const fake = Effect.sync(() => {
        globalThis.setTimeout = Object.assign(() => ({ ref: () => {}, unref: () => {} }), real)
      })
      const restore = Effect.sync(() => {
        globalThis.setTimeout = real
      })
      const program = Effect.gen(function* () {
        const limit = yield* Timeout.make("short", { duration: "20 millis" })
        yield* fake
        yield* limit.protect(Effect.succeed("in time"))
        yield* restore
        yield* Effect.sleep("50 millis")
        return yield* Effect.flip(limit.protect(Effect.never))
      })
      Effect.runPromise(Effect.scoped(program)).then((error) => console.log(error._tag))
    `
    expect(await runSources([afterFake])).toEqual([{ ok: true, output: "TimedOut" }])
  })
})
