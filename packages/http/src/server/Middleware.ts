/**
 * Middleware that is made in a scope, for the platform's three kinds of server.
 */
import { HttpApiBuilder, type HttpApp, HttpLayerRouter } from "@effect/platform"
import { Effect, Layer, type Scope } from "effect"

/** Around an application, a router, or a route. */
export type Middleware = <E, R>(app: HttpApp.Default<E, R>) => HttpApp.Default<E, R>

/** Around all routes of an `HttpLayerRouter`. */
export const ofRouter = (
  make: Effect.Effect<Middleware, never, Scope.Scope>
): Layer.Layer<never, never, HttpLayerRouter.HttpRouter> =>
  Layer.unwrapScoped(Effect.map(make, (middleware) => HttpLayerRouter.middleware(middleware, { global: true })))

/** Around all endpoints of an `HttpApi`. */
export const ofApi = (make: Effect.Effect<Middleware, never, Scope.Scope>): Layer.Layer<never> =>
  HttpApiBuilder.middleware(make)
