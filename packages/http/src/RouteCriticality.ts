/**
 * How much requests matter, by their routes: a table, read from top to bottom. If everything is critical nothing is, so
 * name what users do without, such as recommendations, and what runs by itself, such as exports.
 *
 * It says what a request is that nobody whom one trusts has said more of (`CriticalityHeader`).
 */
import { Criticality, InvalidOptions } from "@effect-resilience/core"
import { Either } from "effect"
import * as RoutePattern from "./server/RoutePattern.js"

/**
 * A pattern of requests, and what they are: `["GET /items/:id", "SHEDDABLE_PLUS"]`. A path with `:name` for any part and
 * `*` at its end for all that comes after, for all methods or for one; `GET` means `HEAD`, too. Paths are read as the
 * platform's router reads them.
 */
export type Route = readonly [pattern: string, of: Criticality.Criticality]

/** What is known of a request before anything of it is read. */
export type Request = RoutePattern.Request

/** What a request is. */
export type Classify = (request: Request) => Criticality.Criticality

const known = (of: Criticality.Criticality, pattern: string): InvalidOptions.Checked<unknown> =>
  Criticality.classes.includes(of)
    ? InvalidOptions.valid(undefined)
    : Either.left([{ option: `routes: ${pattern}`, value: String(of), allowed: Criticality.classes.join(", ") }])

/**
 * What requests are by the first route that fits; `otherwise`, `CRITICAL` by default, where none does. Throws
 * `InvalidOptions` if a pattern or a class is none.
 *
 * @example
 * ```ts
 * import { RouteCriticality } from "@effect-resilience/http"
 *
 * const classify = RouteCriticality.table([
 *   ["POST /orders", "CRITICAL_PLUS"],
 *   ["/recommendations/*", "SHEDDABLE"]
 * ])
 * console.log(classify({ method: "GET", originalUrl: "/recommendations/7?page=2" }))
 * // SHEDDABLE
 * ```
 */
export const table = (routes: ReadonlyArray<Route>, otherwise: Criticality.Criticality = "CRITICAL"): Classify => {
  const checked = InvalidOptions.every({
    classes: InvalidOptions.all([...routes.map(([pattern, of]) => known(of, pattern)), known(otherwise, "otherwise")]),
    find: RoutePattern.table("routes", routes)
  })
  const { find } = Either.getOrThrowWith(
    checked,
    (problems) => new InvalidOptions.InvalidOptions({ policy: "RouteCriticality.table", problems })
  )
  return (request) => find(request) ?? otherwise
}
