/**
 * Where a request goes: scheme, host and port, by which dependencies are told apart.
 */
import { type HttpClientRequest, UrlParams } from "@effect/platform"
import { Either } from "effect"

const prefix = /^[a-z][a-z\d+.-]*:\/\/[^/?#\\]*/i

/** No more prefixes than this are remembered; parsing one costs more than the rest of the look-up. */
const mostKnown = 1_000
const known = new Map<string, string>()

const parsed = ({ hash, url, urlParams }: HttpClientRequest.HttpClientRequest): string =>
  Either.match(UrlParams.makeUrl(url, urlParams, hash), { onLeft: () => "", onRight: ({ origin }) => origin })

/** The origin of a request as a URL's `origin` has it; empty if its address is none. */
export const of = (request: HttpClientRequest.HttpClientRequest): string => {
  const start = prefix.exec(request.url)?.[0]
  if (start === undefined) return parsed(request)
  const before = known.get(start)
  if (before !== undefined) return before
  const origin = parsed(request)
  if (known.size >= mostKnown) known.clear()
  known.set(start, origin)
  return origin
}
