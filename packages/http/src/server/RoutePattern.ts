/**
 * Which requests are meant, by method and path: `"GET /items/:id"`, `"/health/*"`, `"*"`.
 *
 * Paths are read as the platform's router does by default: in small or capital letters, with or without a slash at the end,
 * slashes in a row as one, percent-encoded or not, and without what comes after `?`, `;` or `#`. Whoever writes an address
 * in another way would be served by the same route, and would be taken for another request otherwise. For the same reason
 * a pattern for `GET` means `HEAD` as well.
 */
import type { HttpServerRequest } from "@effect/platform"
import { InvalidOptions } from "@effect-resilience/core"
import { Either, Option } from "effect"

/** What is known of a request before anything of it is read. */
export type Request = Pick<HttpServerRequest.HttpServerRequest, "method" | "originalUrl">

/** A request as patterns see it; no parts where its address cannot be read, which no route serves either. */
interface Seen {
  readonly method: string
  /** The method whose route serves it where its own has none. */
  readonly servedAs: string
  readonly parts: ReadonlyArray<string> | undefined
}

const origin = /^https?:\/\/[^/?#]*/i

const decoded = Option.liftThrowable((text: string) => decodeURI(text))

/** The parts of the path in an address, in small letters. */
export const partsOf = (url: string): ReadonlyArray<string> | undefined => {
  const [path = ""] = url.replace(origin, "").split(/[?#;]/, 1)
  return Option.getOrUndefined(
    Option.map(decoded(path), (text) =>
      text
        .toLowerCase()
        .split("/")
        .filter((part) => part !== "")
    )
  )
}

const form = /^(?:([A-Za-z]+) +)?(\*|\/\S*)$/

type Pattern = (seen: Seen) => boolean

const matchesPath = (pattern: ReadonlyArray<string>, parts: ReadonlyArray<string>): boolean => {
  const isOpen = pattern.at(-1) === "*"
  const fixed = isOpen ? pattern.slice(0, -1) : pattern
  return (
    (isOpen ? parts.length >= fixed.length : parts.length === fixed.length) &&
    fixed.every((part, i) => part.startsWith(":") || part === parts[i])
  )
}

const compiled = (option: string, text: string): InvalidOptions.Checked<Pattern> => {
  const [, method, path] = form.exec(text) ?? []
  const parts = path === undefined ? undefined : path === "*" ? ["*"] : partsOf(path)
  if (parts === undefined || parts.slice(0, -1).includes("*")) {
    return Either.left([
      { option, value: JSON.stringify(text), allowed: 'a path such as "/items/:id" or "GET /health/*", "*" at its end' }
    ])
  }
  const verb = method?.toUpperCase()
  return Either.right(
    (seen) =>
      (verb === undefined || verb === seen.method || verb === seen.servedAs) &&
      seen.parts !== undefined &&
      matchesPath(parts, seen.parts)
  )
}

/** What the first pattern that fits a request stands for; undefined where none does. */
export const table = <A>(
  option: string,
  rows: ReadonlyArray<readonly [pattern: string, value: A]>
): InvalidOptions.Checked<(request: Request) => A | undefined> =>
  InvalidOptions.map(
    InvalidOptions.all(
      rows.map(([pattern, value]) => InvalidOptions.map(compiled(option, pattern), (matches) => ({ matches, value })))
    ),
    (all) =>
      ({ method, originalUrl }) => {
        const own = method.toUpperCase()
        const seen = { method: own, servedAs: own === "HEAD" ? "GET" : own, parts: partsOf(originalUrl) }
        return all.find(({ matches }) => matches(seen))?.value
      }
  )

/** Requests that are left alone: patterns, or what tells of a request. */
export type Exempt = ReadonlyArray<string> | ((request: HttpServerRequest.HttpServerRequest) => boolean)

/** What orchestrators and scrapers ask: refused, they would restart what is only busy, or see nothing of it. */
export const probes: ReadonlyArray<string> = ["/health/*", "/metrics"]

/** Whether a request is left alone. */
export const exempted = (
  exempt: Exempt = probes
): InvalidOptions.Checked<(request: HttpServerRequest.HttpServerRequest) => boolean> =>
  typeof exempt === "function"
    ? InvalidOptions.valid(exempt)
    : InvalidOptions.map(
        table(
          "exempt",
          exempt.map((pattern) => [pattern, true] as const)
        ),
        (find) => (request) => find(request) === true
      )
