/**
 * A request without a header: `@effect/platform` can set headers of a request, and not take them away.
 */
import { Headers, HttpClientRequest } from "@effect/platform"
import { Option } from "effect"

/** The request without the header called `name`, in small letters; the same one if it has none. */
export const removeHeader = (
  request: HttpClientRequest.HttpClientRequest,
  name: string
): HttpClientRequest.HttpClientRequest => {
  if (!Headers.has(request.headers, name)) return request
  const bare = HttpClientRequest.get(request.url).pipe(
    HttpClientRequest.setMethod(request.method),
    HttpClientRequest.setUrlParams(request.urlParams),
    HttpClientRequest.setBody(request.body),
    HttpClientRequest.setHeaders(Headers.remove(request.headers, name))
  )
  return Option.match(request.hash, { onNone: () => bare, onSome: (hash) => HttpClientRequest.setHash(bare, hash) })
}
