/**
 * The `RateLimit` and `RateLimit-Policy` header fields of the IETF draft on rate limits for HTTP: what is left of a quota
 * and when it is renewed, and what the quota is; and the `X-RateLimit-*` fields that servers sent before.
 *
 * The form that is read and printed is a list of named quotas, `"default";r=0;t=30`. The form of older drafts,
 * `limit=100, remaining=0, reset=30`, is read as well, as one quota without a name.
 */
import { Duration, Option } from "effect"

/** One quota of a client. */
export interface Quota {
  /** The name of the policy that sets it; empty where the header names none. */
  readonly policy: string
  /** How many requests, or other units, are left. From 0. */
  readonly remaining: Option.Option<number>
  /** How long until it is renewed. */
  readonly reset: Option.Option<Duration.Duration>
}

/** What a quota is. */
export interface QuotaPolicy {
  readonly policy: string
  /** How much there is in a window. From 1. */
  readonly quota: number
  readonly window: Duration.Duration
}

/** One member of the list: a name, in quotation marks (`\x22`) or without, and its parameters. */
const item =
  /^\s*(?:\x22((?:[^\x22\\]|\\[\x22\\])*)\x22|([A-Za-z*][\w\-.:%*/]*))((?:\s*;\s*[a-z*][\w\-.*]*(?:=[^;,\x22\s]*|=\x22[^\x22]*\x22)?)*)\s*$/
const whole = /^\d{1,15}$/
const number = /^\d{1,10}(?:\.\d{1,9})?$/

const matching = (form: RegExp, text: string | undefined): Option.Option<number> =>
  text !== undefined && form.test(text) ? Option.some(Number(text)) : Option.none()

const pairs = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text.split(",").flatMap((part) => {
      const at = part.indexOf("=")
      return at < 0 ? [] : [[part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim()] as const]
    })
  )

const quota = (policy: string, remaining: string | undefined, reset: string | undefined): Quota => ({
  policy,
  remaining: matching(whole, remaining),
  reset: Option.map(matching(number, reset), Duration.seconds)
})

/** A parameter of a member, its value in quotation marks or not. */
const parameter = /;\s*([a-z*][\w\-.*]*)(?:=(\x22[^\x22]*\x22|[^;\x22\s]*))?/g

const parametersOf = (text: string): ReadonlyMap<string, string> =>
  new Map([...text.matchAll(parameter)].map(([, name = "", value = ""]) => [name, value]))

/** The members of a list: what stands between commas, except inside quotation marks. */
const members = (header: string): ReadonlyArray<string> => header.match(/(?:\x22(?:[^\x22\\]|\\.)*\x22|[^,])+/g) ?? []

/** A header longer than this is nobody's quota. */
const mostCharacters = 2_000

/** The members of a list that can be read: their names and parameters. */
const named = (header: string) =>
  (header.length > mostCharacters ? [] : members(header)).flatMap((member) => {
    const found = item.exec(member)
    if (found === null) return []
    const policy = found[1]?.replaceAll(/\\(.)/g, "$1") ?? found[2] ?? ""
    return [{ policy, parameters: parametersOf(found[3] ?? "") }]
  })

/**
 * The quotas that a header names, without those that cannot be read: a header may say anything.
 *
 * @example
 * ```ts
 * import { RateLimitHeaders } from "@effect-resilience/http"
 *
 * console.log(RateLimitHeaders.parse('"burst";r=0;t=2, "daily";r=150;t=36000'))
 * ```
 */
export const parse = (header: string): ReadonlyArray<Quota> => {
  if (header.length > mostCharacters) return []
  const older = pairs(header)
  if (!header.includes(";") && (older.has("remaining") || older.has("reset"))) {
    return [quota("", older.get("remaining"), older.get("reset"))]
  }
  return named(header).map(({ parameters, policy }) => quota(policy, parameters.get("r"), parameters.get("t")))
}

const quoted = (policy: string): string =>
  `"${policy.replaceAll(/[^\x20-\x7E]/g, "").replaceAll(/[\x22\\]/g, (character) => `\\${character}`)}"`

/**
 * The header for these quotas, in whole seconds, rounded up. Characters that a header cannot hold are left out of names.
 *
 * @example
 * ```ts
 * import { RateLimitHeaders } from "@effect-resilience/http"
 * import { Duration, Option } from "effect"
 *
 * const daily = { policy: "daily", remaining: Option.some(150), reset: Option.some(Duration.hours(10)) }
 * console.log(RateLimitHeaders.print([daily]))
 * ```
 */
export const print = (quotas: ReadonlyArray<Quota>): string =>
  quotas
    .map(({ policy, remaining, reset }) => {
      const r = Option.match(remaining, { onNone: () => "", onSome: (left) => `;r=${left}` })
      const t = Option.match(reset, {
        onNone: () => "",
        onSome: (after) => `;t=${Math.ceil(Duration.toSeconds(after))}`
      })
      return `${quoted(policy)}${r}${t}`
    })
    .join(", ")

/**
 * The `RateLimit-Policy` header for these. A window that is not of whole seconds is told as the next longer one that is,
 * with as much in it as there is in that time, rounded down.
 *
 * @example
 * ```ts
 * import { RateLimitHeaders } from "@effect-resilience/http"
 * import { Duration } from "effect"
 *
 * console.log(RateLimitHeaders.printPolicies([{ policy: "api", quota: 100, window: Duration.minutes(1) }]))
 * // "api";q=100;w=60
 * ```
 */
export const printPolicies = (policies: ReadonlyArray<QuotaPolicy>): string =>
  policies
    .map(({ policy, quota: inWindow, window }) => {
      const seconds = Math.ceil(Duration.toSeconds(window))
      const q = Math.max(1, Math.floor((inWindow * seconds * 1_000) / Duration.toMillis(window)))
      return `${quoted(policy)};q=${q};w=${seconds}`
    })
    .join(", ")

/**
 * The policies that a `RateLimit-Policy` header names, without those that cannot be read.
 *
 * @example
 * ```ts
 * import { RateLimitHeaders } from "@effect-resilience/http"
 *
 * console.log(RateLimitHeaders.parsePolicies('"api";q=100;w=60').map(({ quota }) => quota))
 * // [ 100 ]
 * ```
 */
export const parsePolicies = (header: string): ReadonlyArray<QuotaPolicy> =>
  named(header).flatMap(({ parameters, policy }) => {
    const inWindow = matching(whole, parameters.get("q"))
    const window = matching(whole, parameters.get("w"))
    return Option.toArray(
      Option.zipWith(inWindow, window, (of, seconds) => ({ policy, quota: of, window: Duration.seconds(seconds) }))
    )
  })

/** Seconds from now; more than this is a moment, in seconds since 1970. */
const mostSeconds = 1_000_000_000

/**
 * The quota that a response tells of in `X-RateLimit-Remaining` and `X-RateLimit-Reset`: in seconds from now or, as they
 * are that many, since 1970. None where there is neither. `nowMillis` is the wall clock.
 *
 * @example
 * ```ts
 * import { RateLimitHeaders } from "@effect-resilience/http"
 *
 * console.log(RateLimitHeaders.parseOlder({ "x-ratelimit-remaining": "0", "x-ratelimit-reset": "30" }, 0))
 * ```
 */
export const parseOlder = (
  headers: Readonly<Record<string, string | undefined>>,
  nowMillis: number
): Option.Option<Quota> => {
  const [remaining, reset] = [headers["x-ratelimit-remaining"], headers["x-ratelimit-reset"]]
  if (remaining === undefined && reset === undefined) return Option.none()
  const read = quota("", remaining?.trim(), reset?.trim())
  const seconds = Option.map(read.reset, Duration.toSeconds)
  return Option.some({
    ...read,
    reset: Option.map(seconds, (given) =>
      given < mostSeconds ? Duration.seconds(given) : Duration.millis(Math.max(0, given * 1_000 - nowMillis))
    )
  })
}

/** Those of which nothing is left, by what the server says. */
export const exhausted = (quotas: ReadonlyArray<Quota>): ReadonlyArray<Quota> =>
  quotas.filter(({ remaining }) => Option.contains(remaining, 0))

/**
 * How long a client does well to wait, by these quotas: until all that are used up are renewed. None where none is used
 * up, or none says when it is renewed.
 *
 * @example
 * ```ts
 * import { RateLimitHeaders } from "@effect-resilience/http"
 *
 * console.log(RateLimitHeaders.retryAfter(RateLimitHeaders.parse('"burst";r=0;t=2, "daily";r=150;t=36000')))
 * ```
 */
export const retryAfter = (quotas: ReadonlyArray<Quota>): Option.Option<Duration.Duration> =>
  quotas
    .filter(({ remaining }) => Option.contains(remaining, 0) || Option.isNone(remaining))
    .flatMap(({ reset }) => Option.toArray(reset))
    .reduce<Option.Option<Duration.Duration>>(
      (longest, each) => Option.some(Option.match(longest, { onNone: () => each, onSome: Duration.max(each) })),
      Option.none()
    )
