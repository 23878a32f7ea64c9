/**
 * The origins that one names: those that get what others are not told.
 */
import { HttpClientRequest } from "@effect/platform"
import { InvalidOptions } from "@effect-resilience/core"
import { Either, Option } from "effect"

/** A list of origins (`"https://stock.example"`), or what tells of a URL whether its origin is one. */
export type Origins = ReadonlyArray<string> | ((url: URL) => boolean)

const isBare = (url: URL): boolean =>
  url.origin !== "null" && url.username === "" && url.pathname === "/" && url.search === "" && url.hash === ""

const originOf = (option: string, text: string): InvalidOptions.Checked<string> => {
  const url = HttpClientRequest.toUrl(HttpClientRequest.get(text))
  return Option.isSome(url) && isBare(url.value)
    ? Either.right(url.value.origin)
    : Either.left([{ option, value: JSON.stringify(text), allowed: 'an origin such as "https://stock.example"' }])
}

/** Whether a URL is of an origin that was named. */
export const named = (option: string, origins: Origins): InvalidOptions.Checked<(url: URL) => boolean> => {
  if (typeof origins === "function") return InvalidOptions.valid(origins)
  // Whoever calls without a compiler may have left it out.
  if (!Array.isArray(origins)) {
    return Either.left([{ option, value: String(origins), allowed: "a list of origins, or a function of a URL" }])
  }
  return InvalidOptions.map(InvalidOptions.all(origins.map((origin) => originOf(option, origin))), (all) => {
    const set = new Set(all)
    return (url) => set.has(url.origin)
  })
}
