/**
 * Policies around the handlers of a server: an application, a router or one of its routes, whichever way it is served.
 */
import { type HttpApp, HttpServerRequest } from "@effect/platform"
import { Criticality, Deadline, InvalidOptions } from "@effect-resilience/core"
import { type Duration, Effect, Either, Option } from "effect"
import * as CriticalityHeader from "./CriticalityHeader.js"
import * as DeadlineHeader from "./DeadlineHeader.js"
import * as HttpErrors from "./HttpErrors.js"
import * as RouteCriticality from "./RouteCriticality.js"

/** The budget of a request, and who can shorten it. */
export interface DeadlineOptions extends DeadlineHeader.ReceiveOptions, HttpErrors.Options {
  /** From its beginning until the handler has its response. From 1 ms. */
  readonly budget: Duration.DurationInput
  /** What the budget is called in errors and events. Default `"server"`. */
  readonly name?: string | undefined
}

/**
 * Middleware that gives each request a budget, or what a trusted caller has sent if that is less, and answers 504 when it
 * is spent: without any work if it was when the request came. Whatever the handler calls under a policy knows what is
 * left, and a circuit counts a call that it cuts short only if the dependency had had its `patience`.
 *
 * As any limit it waits for work that cannot be interrupted, and all of an application is that which is served without a
 * router: make it `Effect.interruptible`. A body that is streamed is sent after it has ended. `DeadlineExceeded` of another
 * budget is left to `HttpErrors`. Throws `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { ServerMiddleware } from "@effect-resilience/http"
 * import { HttpApp, HttpRouter } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const app = HttpRouter.empty.pipe(
 *   HttpRouter.get("/report", Effect.never),
 *   ServerMiddleware.deadline({ budget: "20 millis" })
 * )
 * HttpApp.toWebHandler(app)(new Request("http://shop.example/report")).then(({ status }) => console.log(status))
 * // 504
 * ```
 */
export const deadline = (options: DeadlineOptions): (<E, R>(app: HttpApp.Default<E, R>) => HttpApp.Default<E, R>) => {
  const { name = "server" } = options
  const budgetMillis = Either.getOrThrowWith(
    InvalidOptions.span("budget", options.budget),
    (problems) => new InvalidOptions.InvalidOptions({ policy: name, problems })
  )
  const received = DeadlineHeader.receive(name, options)
  const isOwn = (error: unknown): error is Deadline.DeadlineExceeded =>
    error instanceof Deadline.DeadlineExceeded && error.policy === name
  const respond = HttpErrors.respondTo(isOwn, options)
  return <E, R>(app: HttpApp.Default<E, R>) =>
    respond<E, R>(Effect.flatMap(received, (millis) => Deadline.within(app, name, Math.min(budgetMillis, millis))))
}

/** How much requests matter, and who can say so. */
export interface CriticalityOptions extends CriticalityHeader.ReceiveOptions {
  /**
   * What requests are of which no trusted caller has said it: a table of routes, as `RouteCriticality.table` has it, or a
   * function. Default: all are `CRITICAL`.
   */
  readonly routes?: ReadonlyArray<RouteCriticality.Route> | RouteCriticality.Classify | undefined
}

/**
 * Middleware that says of each request how much it matters, for all that is called for it: clients that tell others
 * (`criticalityHeader`) and load shedders. `SheddingMiddleware` does this by itself. Throws `InvalidOptions` if what is
 * trusted is no address, or a route is none.
 *
 * @example
 * ```ts
 * import { Criticality } from "@effect-resilience/core"
 * import { ServerMiddleware } from "@effect-resilience/http"
 * import { HttpApp, HttpRouter, HttpServerResponse } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const app = HttpRouter.empty.pipe(
 *   HttpRouter.get("/recommendations", Effect.map(Criticality.current, (of) => HttpServerResponse.text(of))),
 *   ServerMiddleware.criticality({ routes: [["/recommendations", "SHEDDABLE"]] })
 * )
 * HttpApp.toWebHandler(app)(new Request("http://shop.example/recommendations"))
 *   .then((response) => response.text())
 *   .then(console.log)
 * // SHEDDABLE
 * ```
 */
export const criticality = (
  options: CriticalityOptions
): (<E, R>(app: HttpApp.Default<E, R>) => HttpApp.Default<E, R>) => {
  const { routes = [], trusted } = options
  const said = CriticalityHeader.receive("ServerMiddleware.criticality", { trusted })
  const classify = typeof routes === "function" ? routes : RouteCriticality.table(routes)
  return <E, R>(app: HttpApp.Default<E, R>) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
      Criticality.withClass(
        app,
        Option.getOrElse(said(request), () => classify(request))
      )
    )
}
