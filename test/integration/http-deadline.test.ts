/**
 * A deadline that flows through a chain of services on real sockets: each has what is left, and nobody works for a caller
 * who has gone. The services share a process, so their clocks can be compared; nothing is compared with an ideal time.
 */
import { CircuitBreaker, Policy } from "@effect-resilience/core"
import { DeadlineHeader, HttpErrors, ServerMiddleware } from "@effect-resilience/http"
import { ResilientNodeClient } from "@effect-resilience/http/node"
import {
  FetchHttpClient,
  HttpClient,
  HttpRouter,
  HttpServer,
  HttpServerRequest,
  HttpServerResponse
} from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Context, Effect, HashMap, Layer, Logger, Option } from "effect"
import * as Http from "node:http"

const budgetMillis = 1000
const marginMillis = 5

/** One request as a service saw it: what it was sent, when its handler began, and when it was about to ask the next one. */
interface Hop {
  readonly service: string
  readonly sent: number
  readonly begun: number
  asks?: number
}

interface Line {
  readonly service: string
  readonly at: number
}

/** What all services of a chain write down. */
const journal = () => {
  const hops: Array<Hop> = []
  const lines: Array<Line> = []
  const logger = Logger.make(({ annotations }) => {
    const service = Option.getOrElse(HashMap.get(annotations, "service"), () => "")
    lines.push({ service: String(service), at: performance.now() })
  })
  return { hops, lines, logger: Logger.replace(Logger.defaultLogger, logger) }
}
type Journal = ReturnType<typeof journal>

/** Works for ever, saying so every few milliseconds, and says a last word when it is stopped. */
const endless = Effect.log("working").pipe(
  Effect.zipRight(Effect.sleep("5 millis")),
  Effect.forever,
  Effect.ensuring(Effect.log("stopped"))
)

/** Asks the next service under a policy, and hands on what that answers. */
const asker = (next: string) =>
  Effect.gen(function* () {
    const client = DeadlineHeader.client(yield* HttpClient.HttpClient, {
      origins: [next],
      margin: marginMillis,
      timeout: "5 seconds"
    })
    const policy = yield* Policy.standard(`asks ${next}`, { timeout: "5 seconds", retry: "none" })
    return (hop: Hop) =>
      Effect.gen(function* () {
        yield* Effect.sleep("50 millis")
        yield* Effect.log("asks the next")
        hop.asks = performance.now()
        const response = yield* policy.protect(client.get(next)).pipe(Effect.ensuring(Effect.log("has its answer")))
        return HttpServerResponse.empty({ status: response.status })
      })
  }).pipe(Effect.provide(FetchHttpClient.layer))

const service = (name: string, next: string | undefined, { hops, logger }: Journal) =>
  Effect.gen(function* () {
    const work = next === undefined ? () => endless : yield* asker(next)
    const handler = Effect.gen(function* () {
      const { headers } = yield* HttpServerRequest.HttpServerRequest
      const hop: Hop = { service: name, sent: Number(headers["x-request-timeout-ms"]), begun: performance.now() }
      hops.push(hop)
      yield* Effect.log("begins")
      return yield* work(hop)
    }).pipe(Effect.annotateLogs("service", name))
    // Only the first sets this budget; the others have a longer one, which the caller's shortens.
    const budget = name === "first" ? budgetMillis : 60_000
    const app = HttpRouter.empty.pipe(
      HttpRouter.get("/", handler),
      ServerMiddleware.deadline({ name, budget, trusted: ["127.0.0.1"] }),
      HttpErrors.respond()
    )
    const server = NodeHttpServer.layer(() => Http.createServer(), { port: 0, host: "127.0.0.1" })
    const layer = HttpServer.serve(app).pipe(Layer.provideMerge(server), Layer.provide(logger))
    const { address } = Context.get(yield* Layer.build(layer), HttpServer.HttpServer)
    return address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : ""
  })

/** Asks the first service once, and sees to it that all kept to the budget. */
const keepsTo = (first: string, { hops, lines }: Journal) =>
  Effect.gen(function* () {
    hops.length = 0
    lines.length = 0
    const start = performance.now()
    const status = yield* Effect.promise(async () => (await fetch(first)).status)
    const answered = performance.now() - start
    expect(status).toBe(504)
    expect(answered).toBeGreaterThan(budgetMillis / 2)

    expect(hops.map((hop) => hop.service)).toEqual(["first", "second", "third"])
    const [one, two, three] = hops
    if (one?.asks === undefined || two?.asks === undefined || three === undefined)
      return expect.fail("nobody was asked")

    // What was left when the request was sent, by clocks that were read before it was: never more than that.
    const onTheWay = two.begun - one.asks
    expect(two.sent).toBeLessThanOrEqual(budgetMillis - (one.asks - one.begun))
    expect(three.sent).toBeLessThanOrEqual(budgetMillis - (two.asks - one.begun) + onTheWay)
    expect(three.sent).toBeLessThan(two.sent)
    // And by clocks that were read later: never less than that, but for the margins and the rounding of two clocks.
    const kept = marginMillis + 2
    expect(two.sent).toBeGreaterThanOrEqual(budgetMillis - (two.begun - start) - kept)
    expect(three.sent).toBeGreaterThanOrEqual(two.sent - (three.begun - one.asks) - kept)

    // Whoever goes on working says so in this time, also on a machine that has much else to do.
    yield* Effect.sleep("1500 millis")
    const end = one.begun + budgetMillis
    const lastWords = ["first", "second", "third"].map((name) => {
      const own = lines.filter((line) => line.service === name)
      return { name, lines: own.length, after: Math.round(Math.max(...own.map(({ at }) => at)) - end) }
    })
    expect(lastWords.every((last) => last.lines > 1)).toBe(true)
    expect(Math.max(...lastWords.map(({ after }) => after))).toBeLessThanOrEqual(1000)

    const left = [one.asks, two.asks].map((asks) => Math.round(budgetMillis - (asks - one.begun)))
    console.log(
      `left ${left.join(" and ")} ms, sent ${two.sent} and ${three.sent} ms; last lines in ms after the deadline: ` +
        lastWords.map(({ after, name }) => `${name} ${after}`).join(", ")
    )
  })

describe("a budget of one second at the top of three services", () => {
  it.live("is what each of them has left, and the last word of all of them comes when it is over", () =>
    Effect.gen(function* () {
      const written = journal()
      const third = yield* service("third", undefined, written)
      const second = yield* service("second", third, written)
      const first = yield* service("first", second, written)
      // Cold, and with connections that are there.
      yield* keepsTo(first, written)
      yield* keepsTo(first, written)
    }).pipe(Effect.scoped)
  )
})

describe("a client that tells its deadline to a service that keeps to it", () => {
  it.live("takes the 504 that comes when it is over for no sign of ill health, and repeats nothing", () =>
    Effect.gen(function* () {
      const told: Array<number> = []
      const handler = Effect.gen(function* () {
        const { headers } = yield* HttpServerRequest.HttpServerRequest
        told.push(Number(headers["x-request-timeout-ms"]))
        return yield* Effect.never
      })
      const app = HttpRouter.empty.pipe(
        HttpRouter.get("/", handler),
        ServerMiddleware.deadline({ budget: "1 minute", trusted: ["127.0.0.1"] })
      )
      const server = NodeHttpServer.layer(() => Http.createServer(), { port: 0, host: "127.0.0.1" })
      const { address } = Context.get(
        yield* Layer.build(Layer.provideMerge(HttpServer.serve(app), server)),
        HttpServer.HttpServer
      )
      const url = address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : ""
      const client = yield* ResilientNodeClient.make("slow", {
        timeout: "20 seconds",
        deadline: "60 seconds",
        retry: { maxRetries: 1 },
        circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1) },
        // So much is kept back that the service answers long before the attempt's own limit, on a slow machine too.
        deadlineHeader: { origins: [url], margin: "19500 millis" }
      })
      for (const asked of [1, 2]) {
        const { status } = yield* client.get(url)
        expect([asked, status, told.length]).toEqual([asked, 504, asked])
      }
      expect(Math.max(...told)).toBeLessThanOrEqual(500)
    }).pipe(Effect.scoped)
  )
})
