/** The table: every answer to every kind of request, and the errors of three clients. */
import { Outcome } from "@effect-resilience/core"
import { HttpOutcome, TransportFailure } from "@effect-resilience/http"
import { Headers, HttpBody, HttpClientError, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Exit, Option, Stream } from "effect"

const url = "https://a.example/x"
const get = HttpClientRequest.get(url)
const post = HttpClientRequest.post(url)
const withKey = HttpClientRequest.setHeader(post, "Idempotency-Key", "k1")
const streamed = HttpClientRequest.setBody(withKey, HttpBody.stream(Stream.make(new Uint8Array(1))))
const requests = { get, post, withKey, streamed }

const answered = (status: number, headers: Headers.Input = {}) => ({ status, headers: Headers.fromInput(headers) })

/** How each request's answer counts: `+` where it is repeated. */
const told = (outcome: Outcome.Outcome) => `${outcome._tag}${Outcome.isTransient(outcome) ? "+" : ""}`

const toldOfAll = (f: (request: HttpClientRequest.HttpClientRequest) => Outcome.Outcome) =>
  Object.values(requests)
    .map((request) => told(f(request)))
    .join(" ")

const failed = (cause: unknown) => (request: HttpClientRequest.HttpClientRequest) =>
  HttpOutcome.ofError(new HttpClientError.RequestError({ request, reason: "Transport", cause }))

const coded = (code: string, more: object = {}) => Object.assign(new Error(code), { code, ...more })

const always = "Failure+ Failure+ Failure+ Failure"
const repeatable = "Failure+ Failure Failure+ Failure"
const never = "Failure Failure Failure Failure"

describe("the table of answers", () => {
  it("rules each status by the request's method, key and body", () => {
    const rulings = (status: number) => toldOfAll((request) => HttpOutcome.ofResponse(request, answered(status)))
    for (const status of [408, 425, 502, 503, 504]) expect([status, rulings(status)]).toEqual([status, repeatable])
    expect(rulings(500)).toBe("Failure+ Failure Failure Failure")
    expect(rulings(429)).toBe("Ignored+ Ignored Ignored+ Ignored")
    expect(rulings(409)).toBe("Success Success Ignored+ Ignored")
    for (const status of [501, 505, 506, 511, 599]) expect([status, rulings(status)]).toEqual([status, never])
    for (const status of [200, 204, 301, 304, 400, 404, 422]) {
      expect([status, rulings(status)]).toEqual([status, "Success Success Success Success"])
    }
  })

  it("has one row for every status, and every row says what the functions do", () => {
    for (let status = 100; status < 600; status++) {
      for (const key of [false, true]) {
        const row = HttpOutcome.rowOfStatus(status, key)
        expect(HttpOutcome.table).toContain(row)
        const outcome = HttpOutcome.ofResponse(key ? withKey : get, answered(status))
        expect([status, outcome._tag.toLowerCase()]).toEqual([status, row.counts])
      }
    }
    expect(new Set(HttpOutcome.table.map(({ name }) => name)).size).toBe(HttpOutcome.table.length)
  })

  it("says nothing by a 504 to a request whose deadline was over, and by other statuses what they say", () => {
    const over = (status: number, rules: HttpOutcome.Rules = {}) =>
      toldOfAll((request) => HttpOutcome.ofResponse(request, answered(status), { ...rules, deadlineOver: true }))
    expect(over(504)).toBe("Ignored Ignored Ignored Ignored")
    expect(over(503)).toBe(repeatable)
    expect(over(504, { patienceOver: true })).toBe(never)
    expect(over(504, { statuses: { 504: { counts: "failure", repeated: "repeatable" } } })).toBe(repeatable)
    expect(HttpOutcome.rowOfStatus(504, true, true).name).toBe("cut-short")
    expect(HttpOutcome.rowOfStatus(504, true, true, true).name).toBe("too-slow")
    expect(HttpOutcome.rowOfStatus(504, false).name).toBe("unavailable")
    expect(HttpOutcome.rowOfStatus(504, false, false, true).name).toBe("unavailable")
    const response = HttpClientResponse.fromWeb(get, new Response(null, { status: 504 }))
    const error = new HttpClientError.ResponseError({ request: get, response, reason: "StatusCode" })
    expect(told(HttpOutcome.ofError(error, { deadlineOver: true }))).toBe("Ignored")
  })

  it("judges the error of another request by the one that would be made again", () => {
    const error = new HttpClientError.RequestError({ request: get, reason: "Transport", cause: coded("ECONNRESET") })
    expect(toldOfAll((request) => HttpOutcome.ofError(error, {}, request))).toBe(repeatable)
  })

  it("blames nobody for a request that no client sends", () => {
    for (const code of TransportFailure.notMadeCodes) {
      expect([code, toldOfAll(failed(coded(code)))]).toEqual([code, "Ignored Ignored Ignored Ignored"])
    }
    expect(TransportFailure.notMadeCodes).toContain("UND_ERR_INVALID_ARG")
  })

  it("repeats any request that never left, if its body can be sent again", () => {
    const refused = coded("ECONNREFUSED", { syscall: "connect" })
    const causes = [
      refused,
      coded("ENOTFOUND", { syscall: "getaddrinfo" }),
      coded("EAI_AGAIN"),
      coded("UND_ERR_CONNECT_TIMEOUT"),
      coded("ETIMEDOUT", { syscall: "connect" }),
      new TypeError("fetch failed", { cause: refused }),
      new AggregateError([refused, coded("ETIMEDOUT", { syscall: "connect" })]),
      new TypeError("fetch failed", { cause: new AggregateError([refused, refused]) })
    ]
    for (const cause of causes) expect([cause, toldOfAll(failed(cause))]).toEqual([cause, always])
  })

  it("repeats what may have arrived only if that may be repeated", () => {
    const causes = [
      coded("ECONNRESET"),
      coded("EPIPE"),
      coded("UND_ERR_SOCKET"),
      coded("ETIMEDOUT", { syscall: "read" }),
      new TypeError("fetch failed", { cause: coded("UND_ERR_SOCKET") }),
      new AggregateError([coded("ECONNREFUSED"), coded("ECONNRESET")]),
      new AggregateError([coded("ECONNREFUSED"), new Error("who knows")]),
      new AggregateError([]),
      new Error("who knows"),
      "a word",
      undefined
    ]
    for (const cause of causes) expect([cause, toldOfAll(failed(cause))]).toEqual([cause, repeatable])
  })

  it("repeats nothing where the other end is not who it should be, or speaks no HTTP", () => {
    const codes = [
      "DEPTH_ZERO_SELF_SIGNED_CERT",
      "CERT_HAS_EXPIRED",
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      "EPROTO",
      "ERR_SSL_WRONG_VERSION_NUMBER",
      "HPE_INVALID_CONSTANT",
      "UND_ERR_RES_CONTENT_LENGTH_MISMATCH"
    ]
    for (const code of codes) {
      expect([code, toldOfAll(failed(coded(code)))]).toEqual([code, never])
      const wrapped = new TypeError("fetch failed", { cause: coded(code) })
      expect([code, toldOfAll(failed(wrapped))]).toEqual([code, never])
    }
  })

  it("finds no reason in a cause that goes round in circles", () => {
    const round: { cause?: unknown } = {}
    round.cause = { cause: round }
    expect(TransportFailure.of(round)).toBe("connection-lost")
  })

  it("rules the other errors of a client", () => {
    const response = HttpClientResponse.fromWeb(get, new Response(null, { status: 503 }))
    const of = (reason: "StatusCode" | "Decode" | "EmptyBody") =>
      told(HttpOutcome.classify(Exit.fail(new HttpClientError.ResponseError({ request: get, response, reason }))))
    expect(told(HttpOutcome.classify(Exit.succeed(response)))).toBe("Failure+")
    expect([of("StatusCode"), of("Decode"), of("EmptyBody")]).toEqual(["Failure+", "Success", "Success"])
    for (const reason of ["Encode", "InvalidUrl"] as const) {
      expect(told(HttpOutcome.ofError(new HttpClientError.RequestError({ request: get, reason })))).toBe("Ignored")
    }
    expect(toldOfAll(HttpOutcome.ofTimeout)).toBe(repeatable)
  })

  it("gives way to rulings of one's own, for a status and for a request", () => {
    const statuses = { 404: { counts: "failure", repeated: "repeatable" }, 503: { repeated: "never" } } as const
    const of = (request: HttpClientRequest.HttpClientRequest, status: number) =>
      told(HttpOutcome.ofResponse(request, answered(status), { statuses }))
    expect([of(get, 404), of(post, 404), of(get, 503), of(get, 502)]).toEqual([
      "Failure+",
      "Failure",
      "Failure",
      "Failure+"
    ])
    expect(told(HttpOutcome.ofResponse(post, answered(503), { repeatable: true }))).toBe("Failure+")
    expect(told(HttpOutcome.ofResponse(get, answered(503), { repeatable: false }))).toBe("Failure")
    expect(told(HttpOutcome.ofResponse(get, answered(500), { repeatable: false }))).toBe("Failure")
  })

  it("takes the hint of Retry-After before that of RateLimit, and dates only with a clock", () => {
    const hint = (status: number, headers: Headers.Input, nowMillis?: number) =>
      Option.getOrUndefined(
        Option.map(HttpOutcome.hintOf(status, Headers.fromInput(headers), nowMillis), Duration.toMillis)
      )
    const limits = { RateLimit: '"burst";r=0;t=2, "daily";r=0;t=9, "hourly";r=5;t=99' }
    expect(hint(429, limits)).toBe(9_000)
    expect(hint(429, { ...limits, "Retry-After": "1.5" })).toBe(1_500)
    expect(hint(429, { ...limits, "Retry-After": "soon" })).toBe(9_000)
    expect(hint(503, limits)).toBe(undefined)
    expect(hint(503, { "Retry-After": "3" })).toBe(3_000)
    const date = "Sun, 06 Nov 1994 08:49:37 GMT"
    expect(hint(503, { "Retry-After": date }, Date.UTC(1994, 10, 6, 8, 49, 30))).toBe(7_000)
    expect(hint(503, { "Retry-After": date })).toBe(undefined)
    const outcome = HttpOutcome.ofResponse(post, answered(429, { "Retry-After": "4" }))
    expect(Outcome.retryAfter(outcome)).toEqual(Option.some(Duration.seconds(4)))
  })

  it("tells bodies that can be sent again from those that cannot", () => {
    const replayable = (body: HttpBody.HttpBody) =>
      HttpOutcome.isReplayable(HttpClientRequest.setBody(HttpClientRequest.put(url), body))
    const form = new FormData()
    for (const body of ["text", new Uint8Array(2), new ArrayBuffer(2), new Blob(["x"]), form, new URLSearchParams()]) {
      expect(replayable(HttpBody.raw(body))).toBe(true)
    }
    expect(replayable(HttpBody.empty) && replayable(HttpBody.text("x")) && replayable(HttpBody.formData(form))).toBe(
      true
    )
    expect(replayable(HttpBody.raw(new ReadableStream()))).toBe(false)
    expect(replayable(HttpBody.stream(Stream.empty))).toBe(false)
  })
})
