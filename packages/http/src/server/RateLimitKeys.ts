/**
 * By what the callers of a server are told apart, for a limit of each.
 */
import type { HttpServerRequest } from "@effect/platform"
import { InvalidOptions } from "@effect-resilience/core"
import { Effect, Either, Option } from "effect"
import * as AddressRange from "../AddressRange.js"
import * as Callers from "./Callers.js"

/**
 * The key of a request: the limit that it is counted against. Requests without one share a single limit, that of the key
 * `""`; so do those whose key is longer than 256 characters, which would be kept in memory.
 */
export type Key = (
  request: HttpServerRequest.HttpServerRequest
) => Option.Option<string> | Effect.Effect<Option.Option<string>>

const longest = 256

/** The key of requests that have none. */
const shared = ""

const fitting = Option.match({
  onNone: () => shared,
  onSome: (key: string) => (key.length > longest ? shared : key)
})

const found = (key: Key, request: HttpServerRequest.HttpServerRequest): Effect.Effect<Option.Option<string>> => {
  const answer = key(request)
  // An option is an effect, too, which would fail where there is none.
  return Option.isOption(answer) ? Effect.succeed(answer) : answer
}

/** The key that a request is counted by. */
export const keyOf = (key: Key, request: HttpServerRequest.HttpServerRequest): Effect.Effect<string> =>
  Effect.map(found(key, request), fitting)

/**
 * By a header, such as one that holds an API key. Anybody can send any value, and each has a limit of its own: `known` says
 * which there are, unless something before this middleware has refused the others. An address is none, or whoever sends
 * another's (`firstOf`) would use up its limit.
 *
 * @example
 * ```ts
 * import { RateLimitMiddleware } from "@effect-resilience/http"
 *
 * const customers = new Map([["k-17", "gold"]])
 * const key = RateLimitMiddleware.byHeader("x-api-key", { known: (value) => customers.has(value) })
 * console.log(typeof key)
 * ```
 */
export const byHeader =
  (name: string, { known = () => true }: { readonly known?: ((value: string) => boolean) | undefined } = {}): Key =>
  ({ headers }) =>
    Option.filter(
      Option.fromNullable(headers[name.toLowerCase()]),
      (value) => value !== "" && known(value) && Option.isNone(AddressRange.range(value))
    )

/** How addresses are found and told apart. */
export interface AddressOptions {
  /**
   * The proxies in front of this server, by their addresses as the socket has them, or ranges of these (`"10.0.0.0/8"`).
   * What they say in `x-forwarded-for` is believed; what callers have written there themselves is not. Default nobody.
   */
  readonly trusted?: ReadonlyArray<string> | undefined
  /** How many bits of an IPv6 address tell callers apart, since each has all addresses below. 1 to 128; default 64. */
  readonly ipv6Bits?: number | undefined
}

/** An address as a proxy writes it, perhaps with its port. */
const withoutPort = (text: string): string => {
  const [, bracketed] = /^\[([^\]]*)\](?::\d+)?$/.exec(text) ?? []
  return bracketed ?? (/^[\d.]+:\d+$/.test(text) ? text.slice(0, text.indexOf(":")) : text)
}

/** More proxies than this are in front of nobody; a list is read from its end. */
const mostHops = 32

/** The address of who is not one of our own: each proxy has written at the end whom it was asked by. */
const clientOf = (
  socket: string,
  forwarded: string | undefined,
  isTrusted: AddressRange.Range,
  bits: number
): Option.Option<string> => {
  const hops = forwarded?.split(",").slice(-mostHops) ?? []
  let last = AddressRange.network(socket, bits)
  let address = socket
  while (isTrusted(address)) {
    const hop = hops.pop()
    if (hop === undefined) break
    address = withoutPort(hop.trim())
    const read = AddressRange.network(address, bits)
    if (Option.isNone(read)) break
    last = read
  }
  return last
}

/**
 * By the caller's address; none where the server knows none. Those behind one address share its limit. Throws
 * `InvalidOptions` if what is trusted is no address.
 *
 * @example
 * ```ts
 * import { RateLimitMiddleware } from "@effect-resilience/http"
 *
 * const key = RateLimitMiddleware.byAddress({ trusted: ["10.0.0.0/8"] })
 * console.log(typeof key)
 * ```
 */
export const byAddress = ({ ipv6Bits = 64, trusted = [] }: AddressOptions = {}): Key => {
  const { bits, isTrusted } = Either.getOrThrowWith(
    InvalidOptions.every({
      bits: InvalidOptions.integer("ipv6Bits", ipv6Bits, 1, 128),
      isTrusted: Callers.inRanges(trusted)
    }),
    (problems) => new InvalidOptions.InvalidOptions({ policy: "RateLimitMiddleware.byAddress", problems })
  )
  return ({ headers, remoteAddress }) =>
    Option.flatMap(remoteAddress, (socket) => clientOf(socket, headers["x-forwarded-for"], isTrusted, bits))
}

/**
 * By the first of these that there is: an API key, else the address.
 *
 * @example
 * ```ts
 * import { RateLimitMiddleware } from "@effect-resilience/http"
 *
 * const { byAddress, byHeader, firstOf } = RateLimitMiddleware
 * const key = firstOf(byHeader("x-api-key", { known: (value) => value.startsWith("k-") }), byAddress())
 * console.log(typeof key)
 * ```
 */
export const firstOf =
  (...keys: ReadonlyArray<Key>): Key =>
  (request) =>
    Effect.reduce(keys, Option.none<string>(), (before, key) =>
      Option.isSome(before) ? Effect.succeed(before) : found(key, request)
    )
