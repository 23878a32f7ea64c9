/**
 * The outbound pool on real sockets: never more of them than its size, and no origin that goes without.
 */
import { HttpClient } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import * as Http from "node:http"
import type * as Net from "node:net"
import * as OutboundPool from "../../examples/order-service/src/OutboundPool.js"

interface Origin {
  readonly url: string
  readonly open: () => number
  readonly most: () => number
  readonly served: () => number
}

const listen = (server: Net.Server) =>
  Effect.async<number>((resume) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

const origin = (answer: (response: Http.ServerResponse) => void) =>
  Effect.gen(function* () {
    let open = 0
    let most = 0
    let served = 0
    const server = Http.createServer((_request, response) => {
      served += 1
      answer(response)
    })
    server.on("connection", (socket) => {
      open += 1
      most = Math.max(most, open)
      socket.on("close", () => {
        open -= 1
      })
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => (server.closeAllConnections(), server.close())))
    const port = yield* listen(server)
    return {
      url: `http://127.0.0.1:${port}`,
      open: () => open,
      most: () => most,
      served: () => served
    } satisfies Origin
  })

const quick = (response: Http.ServerResponse) => {
  response.end("{}")
}
const never = () => undefined

const pool = (size: string) =>
  OutboundPool.layerClient.pipe(
    Layer.provideMerge(OutboundPool.layer),
    Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map([["POOL_SIZE", size]]))))
  )

const get = (url: string) =>
  Effect.flatMap(HttpClient.HttpClient, (client) => Effect.flatMap(client.get(url), (response) => response.text))

/** Waits, in real time, until what happens on the sockets has happened. */
const until = (condition: Effect.Effect<boolean, never, OutboundPool.OutboundPool>) =>
  Effect.repeat(Effect.delay(condition, "5 millis"), { until: (is) => is })

const snapshot = Effect.flatMap(OutboundPool.OutboundPool, (shared) => shared.snapshot)

describe("the outbound pool", () => {
  it.live("serves every origin that asks for no more than there is, and opens no more sockets than its size", () =>
    Effect.gen(function* () {
      const origins = yield* Effect.all([origin(quick), origin(quick), origin(quick), origin(quick)])
      let mostOpen = 0
      const sample = Effect.tap(snapshot, ({ open }) => {
        mostOpen = Math.max(mostOpen, open)
      })
      yield* Effect.forEach(
        origins,
        ({ url }) =>
          Effect.forEach(Array.from({ length: 50 }), () => Effect.zipRight(sample, Effect.zipLeft(get(url), sample)), {
            discard: true
          }),
        { concurrency: "unbounded", discard: true }
      )
      expect(origins.map(({ served }) => served())).toEqual([50, 50, 50, 50])
      expect(mostOpen).toBeLessThanOrEqual(4)
      yield* until(Effect.map(snapshot, ({ open, waiting }) => open === 0 && waiting === 0))
    }).pipe(Effect.scoped, Effect.provide(pool("4")))
  )

  it.live("an idle origin leaves all sockets to the others", () =>
    Effect.gen(function* () {
      const first = yield* origin(quick)
      const second = yield* origin(quick)
      yield* Effect.forEach([1, 2, 3, 4], () => get(first.url), { concurrency: "unbounded" })
      yield* Effect.forEach([1, 2, 3, 4], () => get(second.url), { concurrency: "unbounded" })
      expect([first.served(), second.served()]).toEqual([4, 4])
    }).pipe(Effect.scoped, Effect.provide(pool("2")))
  )

  it.live("an interrupted request gives its socket back, and one that waits leaves the line", () =>
    Effect.gen(function* () {
      const hangs = yield* origin(never)
      const answers = yield* origin(quick)
      const holding = yield* Effect.fork(Effect.all([get(hangs.url), get(hangs.url)], { concurrency: 2 }))
      yield* until(Effect.map(snapshot, ({ open }) => open === 2))
      const givenUp = yield* Effect.fork(get(answers.url))
      yield* until(Effect.map(snapshot, ({ waiting }) => waiting === 1))
      yield* givenUp.interruptAsFork(givenUp.id())
      yield* until(Effect.map(snapshot, ({ waiting }) => waiting === 0))
      const waits = yield* Effect.fork(get(answers.url))
      yield* until(Effect.map(snapshot, ({ waiting }) => waiting === 1))
      yield* holding.interruptAsFork(holding.id())
      expect(yield* Effect.fromFiber(waits)).toBe("{}")
      yield* until(Effect.map(snapshot, ({ open }) => open === 0))
      expect(answers.served()).toBe(1)
      yield* until(Effect.sync(() => hangs.open() === 0))
    }).pipe(Effect.scoped, Effect.provide(pool("2")))
  )

  it.live("a refused connection is a failure that gives its socket back", () =>
    Effect.gen(function* () {
      const gone = yield* Effect.scoped(Effect.map(origin(quick), ({ url }) => url))
      const tags = yield* Effect.forEach([1, 2, 3], () => Effect.map(Effect.flip(get(gone)), ({ _tag }) => _tag), {
        concurrency: "unbounded"
      })
      expect(tags).toEqual(["RequestError", "RequestError", "RequestError"])
      yield* until(Effect.map(snapshot, ({ open, waiting }) => open === 0 && waiting === 0))
    }).pipe(Effect.scoped, Effect.provide(pool("1")))
  )

  it.live("says what is wrong with a size that is none", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.provide(snapshot, pool("0")))
      expect(String(error)).toContain("POOL_SIZE")
      expect(String(error)).toContain("unlimited")
    })
  )
})
