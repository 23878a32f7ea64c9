/**
 * What an answer to an HTTP request says about the server that sent it, and whether the request is worth repeating: one
 * pure table, for breaker and retry alike.
 *
 * A request may be repeated if its method is one that does no more when it is done twice, or if it carries an
 * `Idempotency-Key`, by which the server knows it again; and if its body can be sent again, which a stream cannot. Where
 * the request cannot have left, neither method nor key matter.
 */
import { Outcome } from "@effect-resilience/core"
import { type Headers, HttpClientError, type HttpClientRequest } from "@effect/platform"
import { Duration, type Exit, Option, Predicate } from "effect"
import * as RateLimitHeaders from "./RateLimitHeaders.js"
import * as RetryAfter from "./RetryAfter.js"
import * as TransportFailure from "./TransportFailure.js"

/** How an answer counts for the breaker. */
export type Counts = "success" | "failure" | "ignored"

/** Which requests are repeated after it: all, those that may be (`isRepeatable`), GET and HEAD only, or none. */
export type Repeated = "always" | "repeatable" | "reads" | "never"

/** What is done about an answer. */
export interface Ruling {
  readonly repeated: Repeated
  readonly counts: Counts
}

/** The rulings by name; `answer` says which answers a row is for. The first that fits is it. */
export interface Row extends Ruling {
  readonly name:
    | "not-sent"
    | "connection-lost"
    | "not-understood"
    | "timed-out"
    | "unavailable"
    | "cut-short"
    | "too-slow"
    | "internal-error"
    | "too-many-requests"
    | "in-progress"
    | "server-error"
    | "answered"
    | "unreadable"
    | "not-made"
  readonly answer: string
  /** The statuses that it is for, from the first to the last of each pair; none for what is no response. */
  readonly statuses: ReadonlyArray<readonly [first: number, last: number]>
}

const one = (status: number): readonly [number, number] => [status, status]

const row = (
  name: Row["name"],
  answer: string,
  repeated: Repeated,
  counts: Counts,
  statuses: Row["statuses"] = []
): Row => ({ name, answer, repeated, counts, statuses })

const rows = {
  "not-sent": row("not-sent", "connection refused, DNS failure, connect timeout", "always", "failure"),
  "connection-lost": row("connection-lost", "reset, or closed before the headers", "repeatable", "failure"),
  "not-understood": row("not-understood", "certificate or protocol error", "never", "failure"),
  "timed-out": row("timed-out", "the attempt timed out", "repeatable", "failure"),
  unavailable: row("unavailable", "408, 425, 502, 503, 504", "repeatable", "failure", [one(408), one(425), [502, 504]]),
  "cut-short": row("cut-short", "504 when the deadline that was sent was over", "never", "ignored", [one(504)]),
  "too-slow": row("too-slow", "the same, when the server had had its `patience`", "never", "failure", [one(504)]),
  "internal-error": row("internal-error", "500", "reads", "failure", [one(500)]),
  "too-many-requests": row("too-many-requests", "429", "repeatable", "ignored", [one(429)]),
  "in-progress": row("in-progress", "409 to a request with an Idempotency-Key", "repeatable", "ignored", [one(409)]),
  "server-error": row("server-error", "501, 505 and other 5xx", "never", "failure", [[500, 599]]),
  answered: row("answered", "all other statuses", "never", "success", [[100, 999]]),
  unreadable: row("unreadable", "a body that cannot be read or decoded", "never", "success"),
  "not-made": row("not-made", "a request that cannot be made: a bad address, a body that fails", "never", "ignored")
} as const satisfies Record<Row["name"], Row>

/** All that can come of a request, and what is done about it. */
export const table: ReadonlyArray<Row> = Object.values(rows)

const conditional = ["in-progress", "cut-short", "too-slow"]
const withStatus = table.filter(({ name }) => !conditional.includes(name))

const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"])

/** What is asked of a request before it is made again. */
export type Request = Pick<HttpClientRequest.HttpClientRequest, "method" | "headers" | "body">

/** Whether a request carries a key by which the server knows it again. */
export const hasIdempotencyKey = ({ headers }: Pick<Request, "headers">): boolean =>
  headers["idempotency-key"] !== undefined && headers["idempotency-key"] !== ""

const isWhole = (body: unknown): boolean =>
  body === undefined ||
  body === null ||
  typeof body === "string" ||
  body instanceof ArrayBuffer ||
  ArrayBuffer.isView(body) ||
  body instanceof Blob ||
  body instanceof FormData ||
  body instanceof URLSearchParams

/** Whether the body can be sent again: a stream cannot, it may have been consumed. */
export const isReplayable = ({ body }: Pick<Request, "body">): boolean =>
  body._tag === "Raw" ? isWhole(body.body) : body._tag !== "Stream"

/**
 * Whether a request that may have arrived can be made again without harm.
 *
 * @example
 * ```ts
 * import { HttpOutcome } from "@effect-resilience/http"
 * import { HttpClientRequest } from "@effect/platform"
 *
 * const charge = HttpClientRequest.post("https://pay.example/charges")
 * const again = HttpClientRequest.setHeader(charge, "Idempotency-Key", "order-17")
 * console.log(HttpOutcome.isRepeatable(charge), HttpOutcome.isRepeatable(again))
 * ```
 */
export const isRepeatable = (request: Request): boolean =>
  (idempotent.has(request.method) || hasIdempotencyKey(request)) && isReplayable(request)

/** What else than the answer decides how it counts. */
export interface Rules {
  /** Other rulings for some statuses, in whole or in part. */
  readonly statuses?: { readonly [status: number]: Partial<Ruling> } | undefined
  /** Whether the request may be repeated. Default: `isRepeatable` of it. */
  readonly repeatable?: boolean | undefined
  /** The wall clock, by which a date in `Retry-After` is meant. Default: dates are not read. */
  readonly nowMillis?: number | undefined
  /** Whether the deadline on the request was over (`DeadlineHeader.isOver`). Default false. */
  readonly deadlineOver?: boolean | undefined
  /** Whether the server had had its `patience` by then: then that says as much as a timeout. Default false. */
  readonly patienceOver?: boolean | undefined
}

interface Circumstances {
  readonly repeatable: boolean
  readonly replayable: boolean
  readonly reads: boolean
  readonly retryAfter?: Duration.Duration | undefined
}

const isRepeated: { readonly [R in Repeated]: (of: Circumstances) => boolean } = {
  always: ({ replayable }) => replayable,
  repeatable: ({ repeatable }) => repeatable,
  reads: ({ reads, repeatable }) => reads && repeatable,
  never: () => false
}

const ruled = ({ counts, repeated }: Ruling, of: Circumstances): Outcome.Outcome => {
  if (counts === "success") return Outcome.success
  const details = { transient: isRepeated[repeated](of), retryAfter: of.retryAfter }
  return counts === "failure" ? Outcome.failure(details) : Outcome.ignored(details)
}

const circumstances = (request: Request, { repeatable }: Rules): Circumstances => ({
  repeatable: repeatable ?? isRepeatable(request),
  replayable: repeatable ?? isReplayable(request),
  reads: request.method === "GET" || request.method === "HEAD"
})

const covers =
  (status: number) =>
  ({ statuses }: Row): boolean =>
    statuses.some(([first, last]) => status >= first && status <= last)

/** The row for a response; `withKey`: to a request with an `Idempotency-Key`; the others: as in `Rules`. */
export const rowOfStatus = (status: number, withKey: boolean, deadlineOver = false, patienceOver = false): Row => {
  if (status >= 200 && status < 300) return rows.answered
  if (withKey && status === 409) return rows["in-progress"]
  if (deadlineOver && status === 504) return rows[patienceOver ? "too-slow" : "cut-short"]
  return withStatus.find(covers(status)) ?? rows.answered
}

/** What a server asks its clients to wait: `Retry-After`, else, with a 429, what its `RateLimit` says. */
export const hintOf = (
  status: number,
  headers: Headers.Headers,
  nowMillis?: number
): Option.Option<Duration.Duration> => {
  const asked = headers["retry-after"]
  // Without a clock every date is infinitely far away.
  const hint = asked === undefined ? Option.none() : RetryAfter.parse(asked, nowMillis ?? -Infinity)
  const limits = headers["ratelimit"]
  const readable = Option.filter(hint, Duration.isFinite)
  return Option.isSome(readable) || status !== 429 || limits === undefined
    ? readable
    : RateLimitHeaders.retryAfter(RateLimitHeaders.parse(limits))
}

/**
 * How a response to a request counts.
 *
 * @example
 * ```ts
 * import { HttpOutcome } from "@effect-resilience/http"
 * import { Headers, HttpClientRequest } from "@effect/platform"
 *
 * const busy = { status: 503, headers: Headers.fromInput({ "Retry-After": "2" }) }
 * console.log(HttpOutcome.ofResponse(HttpClientRequest.get("https://a.example"), busy))
 * console.log(HttpOutcome.ofResponse(HttpClientRequest.post("https://a.example"), busy))
 * ```
 */
export const ofResponse = (
  request: Request,
  response: { readonly status: number; readonly headers: Headers.Headers },
  rules: Rules = {}
): Outcome.Outcome => {
  const { status } = response
  const own = rules.statuses?.[status]
  const found = rowOfStatus(status, hasIdempotencyKey(request), rules.deadlineOver, rules.patienceOver)
  const ruling = own === undefined ? found : { ...found, ...own }
  if (ruling.counts === "success") return Outcome.success
  const retryAfter = Option.getOrUndefined(hintOf(status, response.headers, rules.nowMillis))
  return ruled(ruling, { ...circumstances(request, rules), retryAfter })
}

/** How an attempt at a request counts that has reached its time limit. */
export const ofTimeout = (request: Request, rules: Rules = {}): Outcome.Outcome =>
  ruled(rows["timed-out"], circumstances(request, rules))

/**
 * How an error of a client counts. `request` is the one that would be made again, which is that of the error unless the
 * client has sent another in its place.
 *
 * @example
 * ```ts
 * import { HttpOutcome } from "@effect-resilience/http"
 * import { HttpClientError, HttpClientRequest } from "@effect/platform"
 *
 * const request = HttpClientRequest.post("https://pay.example/charges")
 * const cause = Object.assign(new Error("connect"), { code: "ECONNREFUSED" })
 * const error = new HttpClientError.RequestError({ request, reason: "Transport", cause })
 * console.log(HttpOutcome.ofError(error))
 * ```
 */
export const ofError = (
  error: HttpClientError.HttpClientError,
  rules: Rules = {},
  request: Request = error.request
): Outcome.Outcome => {
  if (error._tag === "ResponseError") {
    return error.reason === "StatusCode"
      ? ofResponse(request, error.response, rules)
      : ruled(rows.unreadable, circumstances(request, rules))
  }
  const found = error.reason === "Transport" ? rows[TransportFailure.of(error.cause)] : rows["not-made"]
  return ruled(found, circumstances(request, rules))
}

const isResponse = (
  u: unknown
): u is { readonly request: Request; readonly status: number; readonly headers: Headers.Headers } =>
  Predicate.hasProperty(u, "request") &&
  Predicate.hasProperty(u, "status") &&
  typeof u.status === "number" &&
  Predicate.hasProperty(u, "headers")

/**
 * How the exit of a client's call counts, for any policy that takes a classifier. What is neither a response nor an error
 * of a client counts as `Outcome.classify` says. It has no clock, so it reads no dates.
 *
 * @example
 * ```ts
 * import { Retry } from "@effect-resilience/core"
 * import { HttpOutcome } from "@effect-resilience/http"
 * import { Effect } from "effect"
 *
 * const program = Retry.make("search", { maxRetries: 1, classify: HttpOutcome.classify })
 * Effect.runPromise(Effect.scoped(program)).then((retry) => console.log(retry.maxRetries))
 * ```
 */
export const classify: Outcome.Classify = (exit: Exit.Exit<unknown, unknown>) => {
  if (exit._tag === "Success") {
    return isResponse(exit.value) ? ofResponse(exit.value.request, exit.value) : Outcome.success
  }
  const error = Option.filter(Outcome.typedError(exit), HttpClientError.isHttpClientError)
  return Option.match(error, { onNone: () => Outcome.classify(exit), onSome: (known) => ofError(known) })
}

/** What else than the status says how an answer counts. */
export interface Details {
  /** What the server asked for in `Retry-After`. */
  readonly retryAfter?: Duration.Duration | undefined
  /** Whether a 500 is worth repeating: only for a request that reads (GET, HEAD). Default false. */
  readonly reads?: boolean | undefined
}

/**
 * How an answer with this status counts, for a request that may be repeated and carries no key.
 *
 * @example
 * ```ts
 * import { HttpOutcome } from "@effect-resilience/http"
 *
 * console.log(HttpOutcome.fromStatus(503), HttpOutcome.fromStatus(404))
 * ```
 */
export const fromStatus = (status: number, { reads = false, retryAfter }: Details = {}): Outcome.Outcome =>
  ruled(rowOfStatus(status, false), { repeatable: true, replayable: true, reads, retryAfter })
