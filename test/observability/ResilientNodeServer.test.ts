import { Drain } from "@effect-resilience/observability"
import { ResilientNodeServer } from "@effect-resilience/observability/node"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope, TestClock } from "effect"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Lets the host do what is due, without any time passing for Effect. */
const hostTurn = Effect.zipRight(
  TestClock.adjust(0),
  Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))
)

describe("a server that nothing was served on", () => {
  it.effect("closes its port in the drain, and waits for nothing else", () =>
    Effect.gen(function* () {
      const drain = yield* Drain.make({ preStopDelay: 0 })
      const scope = yield* Scope.make()
      const node = createServer()
      yield* ResilientNodeServer.make(() => node, { host: "127.0.0.1", port: 0 }).pipe(
        Effect.provideService(Drain.Drain, drain),
        Scope.extend(scope)
      )
      expect(node.listening).toBe(true)
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* Effect.repeatN(hostTurn, 50)
      expect(closing.unsafePoll()).toEqual(Exit.void)
      expect(node.listening).toBe(false)
      yield* Fiber.join(closing)
    })
  )
})

describe("where a server listens", () => {
  it.scoped("is the loopback alone, unless a host or the path of a socket is named", () =>
    Effect.gen(function* () {
      const drain = yield* Drain.make({ preStopDelay: 0 })
      const addressOf = (options: ResilientNodeServer.ListenOptions) =>
        Effect.gen(function* () {
          const node = createServer()
          yield* Effect.provideService(
            ResilientNodeServer.make(() => node, options),
            Drain.Drain,
            drain
          )
          return node.address()
        })
      expect(yield* addressOf({ port: 0 })).toMatchObject({ address: "127.0.0.1" })
      expect(yield* addressOf({ port: 0, host: "0.0.0.0" })).toMatchObject({ address: "0.0.0.0" })
      const path = join(tmpdir(), `server-${process.pid}.sock`)
      expect(yield* addressOf({ path })).toBe(path)
    })
  )
})
