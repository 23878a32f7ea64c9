import type { Criticality, LoadShedder, RateLimiter } from "@effect-resilience/core"
import {
  HttpErrors,
  RateLimitMiddleware,
  type ResilientHttpClient,
  type RouteCriticality,
  SheddingMiddleware
} from "@effect-resilience/http"
import type { HttpApp, HttpLayerRouter } from "@effect/platform"
import { describe, expectTypeOf, it } from "@effect/vitest"
import { Context, Data, type Effect, type Layer, type Scope } from "effect"

class Declined extends Data.TaggedError("Declined") {}
class Gateway extends Context.Tag("test/Gateway")<Gateway, string>() {}
type App = HttpApp.Default<Declined, Gateway>

describe("the type of a server's application", () => {
  it("stays what it is under limits and shedding", () => {
    expectTypeOf((limited: RateLimitMiddleware.Middleware, app: App) => limited(app)).returns.toEqualTypeOf<App>()
    expectTypeOf((shedding: SheddingMiddleware.Middleware, app: App) => app.pipe(shedding)).returns.toEqualTypeOf<App>()
  })

  it("loses the refusals that are answered", () => {
    expectTypeOf((app: HttpApp.Default<Declined | LoadShedder.Shed | RateLimiter.RateLimited, Gateway>) =>
      app.pipe(HttpErrors.respond())
    ).returns.toEqualTypeOf<App>()
  })

  it("needs a scope for its limits, and a Layer of them needs the router or nothing", () => {
    expectTypeOf(RateLimitMiddleware.make).returns.toEqualTypeOf<
      Effect.Effect<RateLimitMiddleware.Middleware, never, Scope.Scope>
    >()
    expectTypeOf(SheddingMiddleware.make).returns.toEqualTypeOf<
      Effect.Effect<SheddingMiddleware.Middleware, never, Scope.Scope>
    >()
    expectTypeOf(RateLimitMiddleware.layerRouter).returns.toEqualTypeOf<
      Layer.Layer<never, never, HttpLayerRouter.HttpRouter>
    >()
    expectTypeOf(SheddingMiddleware.layerApi).returns.toEqualTypeOf<Layer.Layer<never>>()
  })

  it("of a route's class is one of four", () => {
    expectTypeOf<RouteCriticality.Route>().toEqualTypeOf<readonly [pattern: string, of: Criticality.Criticality]>()
    expectTypeOf<readonly ["/a", "URGENT"]>().not.toMatchTypeOf<RouteCriticality.Route>()
    expectTypeOf<RateLimitMiddleware.Options>().toHaveProperty("key")
  })
})

describe("the type of a client's call", () => {
  it("names the refusal for want of quota", () => {
    type Errors = Effect.Effect.Error<ReturnType<ResilientHttpClient.ResilientHttpClient["get"]>>
    expectTypeOf<RateLimiter.RateLimited>().toMatchTypeOf<Errors>()
    expectTypeOf<Declined>().not.toMatchTypeOf<Errors>()
  })
})
