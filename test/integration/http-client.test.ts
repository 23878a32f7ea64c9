/**
 * Every row of the table of answers on real sockets, by each client: what arrives at the server, what the caller gets, and
 * how it counts for the breaker.
 */
import { Backoff, type CircuitBreaker, Keyed, PolicyRegistry } from "@effect-resilience/core"
import { ResilientHttpClient } from "@effect-resilience/http"
import { ResilientNodeClient } from "@effect-resilience/http/node"
import { FetchHttpClient, HttpClient, type HttpClientError, HttpClientRequest } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { describe, expect, it } from "@effect/vitest"
import { Cause, type Duration, Effect, Exit, Option, Predicate, type Scope } from "effect"
import { answer, deserted, type ScriptedServer, serve, serveUntrusted, type Step } from "../support/ScriptedServer.js"

const maxRetries = 2
const options = {
  timeout: "20 seconds",
  deadline: "60 seconds",
  retry: { maxRetries, backoff: Backoff.constant("5 millis"), maxRetryAfter: "10 seconds" }
} as const

type Client = ResilientHttpClient.ResilientHttpClient

const over = (client: HttpClient.HttpClient) => ResilientHttpClient.protect(client, "it", options)

const clients: Record<string, Effect.Effect<Client, never, Scope.Scope>> = {
  "undici, own pool": ResilientNodeClient.make("it", options),
  "node:http": Effect.flatMap(NodeHttpClient.makeAgent({ keepAlive: true }), (agent) =>
    Effect.flatMap(Effect.provideService(NodeHttpClient.make, NodeHttpClient.HttpAgent, agent), over)
  ),
  fetch: Effect.flatMap(Effect.provide(HttpClient.HttpClient, FetchHttpClient.layer), over)
}

const isBreaker = (u: unknown): u is CircuitBreaker.CircuitBreaker => Predicate.hasProperty(u, "snapshot")

/** What the breaker of the one origin has counted. */
const counted = Effect.gen(function* () {
  for (const { policy } of yield* PolicyRegistry.entries) {
    if (!Keyed.isKeyed(policy)) continue
    for (const [, standard] of yield* policy.entries) {
      const breaker: unknown = Predicate.hasProperty(standard, "circuitBreaker") ? standard.circuitBreaker : undefined
      if (!Option.isOption(breaker) || Option.isNone(breaker) || !isBreaker(breaker.value)) continue
      const { calls, failures } = yield* breaker.value.snapshot
      return calls === 0 ? "ignored" : failures === 0 ? "success" : "failure"
    }
  }
  return "nothing"
})

const ended = (exit: Exit.Exit<number, unknown>): string =>
  Exit.match(exit, {
    onSuccess: (status) => `${status}`,
    onFailure: (cause) =>
      Option.match(Cause.failureOption(cause), {
        onNone: () => Cause.pretty(cause),
        onSome: (error) => (Predicate.hasProperty(error, "_tag") ? `${String(error._tag)}` : "?")
      })
  })

const requestOf = (method: "GET" | "POST", key: boolean) => (url: string) => {
  const made = HttpClientRequest.make(method)(
    url,
    method === "POST" ? { headers: { "content-type": "text/plain" } } : {}
  )
  const withBody = method === "POST" ? HttpClientRequest.bodyText(made, "pay") : made
  return key ? HttpClientRequest.setHeader(withBody, "Idempotency-Key", "k-17") : withBody
}

/** How often each kind of request is sent. */
type Sent = readonly [get: number, post: number, withKey: number]
const kinds = [requestOf("GET", false), requestOf("POST", false), requestOf("POST", true)]

const n = 1 + maxRetries
interface Row {
  readonly name: string
  readonly steps: ReadonlyArray<Step>
  readonly timeout?: Duration.DurationInput
  readonly decode?: true
  readonly sent: Sent
  readonly ends: string | readonly [string, string, string]
  readonly counts: string | readonly [string, string, string]
}

const always = (code: number, sent: Sent, counts: Row["counts"]): Row => ({
  name: `${code}`,
  steps: [answer(code)],
  sent,
  ends: `${code}`,
  counts
})

const rows: ReadonlyArray<Row> = [
  { name: "reset", steps: [{ _tag: "reset" }], sent: [n, 1, n], ends: "RequestError", counts: "failure" },
  { name: "closed early", steps: [{ _tag: "close" }], sent: [n, 1, n], ends: "RequestError", counts: "failure" },
  { name: "garbage", steps: [{ _tag: "garbage" }], sent: [1, 1, 1], ends: "RequestError", counts: "failure" },
  {
    name: "no headers",
    timeout: "2 seconds",
    steps: [{ _tag: "hang" }],
    sent: [n, 1, n],
    ends: "TimedOut",
    counts: "failure"
  },
  {
    name: "slow headers, then quick ones",
    steps: [{ _tag: "slowHeaders", millis: 30_000 }, answer(200)],
    timeout: "2 seconds",
    sent: [2, 1, 2],
    ends: ["200", "TimedOut", "200"],
    counts: ["success", "failure", "success"]
  },
  {
    name: "headers in time",
    steps: [{ _tag: "slowHeaders", millis: 50 }],
    sent: [1, 1, 1],
    ends: "200",
    counts: "success"
  },
  {
    name: "a trickle",
    steps: [{ _tag: "trickle", chunks: 6, everyMillis: 100 }],
    sent: [1, 1, 1],
    ends: "200",
    counts: "success"
  },
  {
    name: "a reset in the body",
    steps: [{ _tag: "resetInBody" }],
    sent: [1, 1, 1],
    ends: "ResponseError",
    counts: "success"
  },
  ...[408, 425, 502, 503, 504].map((code) => always(code, [n, 1, n], "failure")),
  always(500, [n, 1, 1], "failure"),
  always(429, [n, 1, n], "ignored"),
  always(409, [1, 1, n], ["success", "success", "ignored"]),
  ...[501, 505, 599].map((code) => always(code, [1, 1, 1], "failure")),
  ...[200, 204, 304, 400, 404, 422].map((code) => always(code, [1, 1, 1], "success")),
  {
    name: "a body that does not decode",
    steps: [answer(200, {}, "no json")],
    decode: true,
    sent: [1, 1, 1],
    ends: "ResponseError",
    counts: "success"
  }
]

const nth = (value: string | readonly [string, string, string], i: number) =>
  typeof value === "string" ? value : value[i]

/** One call by a client of its own; the body is decoded where the server sends one. */
const called = (
  making: Effect.Effect<Client, never, Scope.Scope>,
  sent: HttpClientRequest.HttpClientRequest,
  row: Row
) =>
  Effect.gen(function* () {
    const client = yield* making
    const exit = yield* Effect.exit(
      Effect.flatMap(ResilientHttpClient.override(client.execute(sent), { timeout: row.timeout }), (response) =>
        Effect.map(
          Effect.asVoid<unknown, HttpClientError.ResponseError, never>(row.decode ? response.json : response.text),
          () => response.status
        )
      )
    )
    return [ended(exit), yield* counted] as const
  }).pipe(Effect.scoped, Effect.provide(PolicyRegistry.layer))

for (const [name, making] of Object.entries(clients)) {
  describe(`over ${name}`, () => {
    it.live("every answer is repeated, and counts, as the table says", () =>
      Effect.gen(function* () {
        const meet = (row: Row, sent: (typeof kinds)[number], i: number) =>
          Effect.gen(function* () {
            const { scripted, url } = yield* serve
            scripted.become(...row.steps)
            const [end, counts] = yield* called(making, sent(url), row)
            expect([row.name, i, end, counts, scripted.arrived.length]).toEqual([
              row.name,
              i,
              nth(row.ends, i),
              nth(row.counts, i),
              row.sent[i]
            ])
            if (i === 2) expect(keysOf(scripted)).toEqual(Array(row.sent[2]).fill("k-17"))
          }).pipe(Effect.scoped)
        const all = rows.flatMap((row) => kinds.map((sent, i) => meet(row, sent, i)))
        yield* Effect.all(all, { concurrency: 8, discard: true })
      })
    )

    it.live("what never left is repeated whatever it is, and a certificate that nobody trusts never", () =>
      Effect.gen(function* () {
        for (const sent of kinds) {
          const attempts: Array<number> = []
          const url = yield* deserted
          const client = yield* making
          const once = yield* Effect.exit(client.execute(sent(url)))
          expect(Exit.isFailure(once)).toBe(true)
          const counting = yield* ResilientHttpClient.protect(
            HttpClient.mapRequestEffect(yield* bare(name), (request) => Effect.succeed(request)),
            "it",
            { ...options, beforeAttempt: (request, { resendCount }) => (attempts.push(resendCount), request) }
          )
          expect(ended(yield* Effect.exit(Effect.map(counting.execute(sent(url)), ({ status }) => status)))).toBe(
            "RequestError"
          )
          expect(attempts).toEqual([0, 1, 2])

          attempts.length = 0
          const { scripted, url: untrusted } = yield* serveUntrusted
          yield* Effect.exit(counting.execute(sent(untrusted)))
          expect([attempts, scripted.arrived.length]).toEqual([[0], 0])
        }
      }).pipe(Effect.scoped)
    )

    it.live("each form of Retry-After is obeyed", () =>
      Effect.gen(function* () {
        const forms: ReadonlyArray<readonly [Record<string, string>, number]> = [
          [{ "Retry-After": "1" }, 1_000],
          [{ "Retry-After": "0.3" }, 300],
          [{ "Retry-After": new Date(Date.now() + 2_000).toUTCString() }, 500],
          [{ RateLimit: '"a";r=0;t=1' }, 1_000],
          [{ "Retry-After": "soon" }, 0]
        ]
        yield* Effect.forEach(
          forms,
          ([headers, atLeast]) =>
            Effect.gen(function* () {
              const { scripted, url } = yield* serve
              scripted.become(answer(429, headers), answer(200))
              const client = yield* making
              const before = Date.now()
              const { status: code } = yield* client.get(url)
              expect([headers, code, scripted.arrived.length]).toEqual([headers, 200, 2])
              expect(Date.now() - before).toBeGreaterThanOrEqual(atLeast)
            }).pipe(Effect.scoped),
          { concurrency: "unbounded" }
        )
      })
    )
  })
}

const keysOf = (scripted: ScriptedServer) => scripted.arrived.map(({ headers }) => headers.get("idempotency-key"))

const bare = (name: string): Effect.Effect<HttpClient.HttpClient, never, Scope.Scope> =>
  name === "fetch"
    ? Effect.provide(HttpClient.HttpClient, FetchHttpClient.layer)
    : name === "node:http"
      ? Effect.flatMap(NodeHttpClient.makeAgent(), (agent) =>
          Effect.provideService(NodeHttpClient.make, NodeHttpClient.HttpAgent, agent)
        )
      : Effect.map(NodeHttpClient.makeDispatcher, NodeHttpClient.makeUndici)
