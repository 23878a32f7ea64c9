/**
 * What the error of a client says about a request that got no answer. Clients put the reason in the `cause` of their
 * error, some of them several levels down: it is found by its code, which is Node's, undici's or the HTTP parser's.
 */
import { Predicate } from "effect"

/**
 * How a request failed that got no answer.
 *
 * - `not-sent`: no connection was made, so the request never left
 * - `connection-lost`: the connection ended before an answer, and the request may have arrived
 * - `not-understood`: the other end is not who it should be, or does not speak HTTP
 * - `not-made`: the client would not send it, a header with a line break in it, say, and nobody was asked
 */
export type TransportFailure = "not-sent" | "connection-lost" | "not-understood" | "not-made"

/** Codes of errors that come before there is a connection. */
export const notSentCodes: ReadonlyArray<string> = [
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EAI_NODATA",
  "EAI_NONAME",
  "EADDRNOTAVAIL",
  "UND_ERR_CONNECT_TIMEOUT",
  "ERR_SOCKET_CONNECTION_TIMEOUT"
]

/** Codes that mean no connection if they come from the system call `connect`, and a lost one otherwise. */
export const connectCodes: ReadonlyArray<string> = ["ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "EHOSTDOWN", "ENETDOWN"]

/** Codes of what is wrong with the request itself. */
export const notMadeCodes: ReadonlyArray<string> = [
  "UND_ERR_INVALID_ARG",
  "UND_ERR_NOT_SUPPORTED",
  "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH"
]

/**
 * How the codes begin of what is wrong with a certificate, with TLS, or with the answer's HTTP. One error of undici's has
 * no code, it is known by its name.
 */
export const notUnderstoodCodes: ReadonlyArray<string> = [
  "HPE_",
  "HTTPParserError",
  "CERT_",
  "CRL_",
  "ERR_TLS_",
  "ERR_SSL_",
  "EPROTO",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_",
  "HOSTNAME_MISMATCH",
  "INVALID_CA",
  "PATH_LENGTH_EXCEEDED",
  "UND_ERR_HEADERS_OVERFLOW",
  "UND_ERR_RES_"
]

const known: ReadonlyMap<string, TransportFailure> = new Map([
  ...notSentCodes.map((code) => [code, "not-sent"] as const),
  ...notMadeCodes.map((code) => [code, "not-made"] as const)
])
const fromConnect: ReadonlySet<string> = new Set(connectCodes)

const ofCode = (code: string, error: object): TransportFailure | undefined => {
  if (fromConnect.has(code)) {
    return Predicate.hasProperty(error, "syscall") && error.syscall === "connect" ? "not-sent" : "connection-lost"
  }
  return (
    known.get(code) ?? (notUnderstoodCodes.some((prefix) => code.startsWith(prefix)) ? "not-understood" : undefined)
  )
}

/** How deep a reason may lie: a client's error, `fetch`'s, a socket's, and one more. */
const mostLevels = 5

const codeOf = (error: object): string => {
  if (Predicate.hasProperty(error, "code") && typeof error.code === "string") return error.code
  return Predicate.hasProperty(error, "name") && typeof error.name === "string" ? error.name : ""
}

const find = (error: unknown, levels: number): TransportFailure | undefined => {
  if (levels === 0 || !Predicate.isObject(error)) return undefined
  // One error for each address that was tried: the request has left if it has to one of them.
  if (error instanceof AggregateError && error.errors.length > 0) {
    const each = error.errors.map((inner) => find(inner, levels - 1))
    return each.find((kind) => kind !== "not-sent") ?? (each.includes(undefined) ? undefined : "not-sent")
  }
  const own = ofCode(codeOf(error), error)
  return own ?? (Predicate.hasProperty(error, "cause") ? find(error.cause, levels - 1) : undefined)
}

/**
 * How a request failed, by the error of the client or the cause in it. What is not known counts as `connection-lost`,
 * because the request may then have arrived.
 *
 * @example
 * ```ts
 * import { TransportFailure } from "@effect-resilience/http"
 *
 * const refused = Object.assign(new Error("connect"), { code: "ECONNREFUSED", syscall: "connect" })
 * console.log(TransportFailure.of(new TypeError("fetch failed", { cause: refused })), TransportFailure.of("odd"))
 * ```
 */
export const of = (error: unknown): TransportFailure => find(error, mostLevels) ?? "connection-lost"
