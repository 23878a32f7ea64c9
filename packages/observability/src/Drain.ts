/**
 * The end of a process that leaves nobody without an answer: first it says that it is not ready any more and goes on
 * serving, then it takes no new connections and finishes what is in flight, then it interrupts what is left.
 *
 *     Running -> Draining (preStopDelay) -> Closing (at most gracefulShutdownTimeout) -> Closed
 *
 * Use it in every server that something in front of it sends requests to: a balancer learns of the end of an instance
 * late, and what it sends until then is lost if the instance is gone first.
 *
 * This is the part that knows no platform. `ResilientNodeServer` of the entry `@effect-resilience/observability/node` runs
 * it when the server's Layer ends, which is what SIGTERM does to a program that `NodeRuntime.runMain` runs.
 *
 * In which order things end: what was registered with `register` stops, all of it at once, while what is in flight is
 * finished; after that the server's Layer ends, and after it, as always, the Layers that it was built over. So a queue's
 * worker registers; a journal, which requests write to until the last, is a Layer under the server.
 *
 * It does not end what cannot be interrupted: such work is left behind a second after its time is over.
 */
import { InvalidOptions } from "@effect-resilience/core"
import type { HttpApp } from "@effect/platform"
import { type ConfigError, Context, Deferred, Effect, Layer, type Scope } from "effect"
import { Draining, type Service } from "./Draining.js"
import { fromEnvironment, type Options, settings } from "./DrainOptions.js"

export type { Service } from "./Draining.js"
export type { Options } from "./DrainOptions.js"
export type { Phase, State } from "./DrainState.js"

/** The drain of the running program. */
export class Drain extends Context.Tag("@effect-resilience/observability/Drain")<Drain, Service>() {}

/**
 * Makes a drain. Dies with `InvalidOptions` if an option is out of range.
 *
 * @example
 * ```ts
 * import { Drain } from "@effect-resilience/observability"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const drain = yield* Drain.make({ preStopDelay: "10 millis" })
 *   yield* drain.shutdown
 *   return yield* drain.state
 * })
 * Effect.runPromise(program).then(({ phase }) => console.log(phase))
 * // Closed
 * ```
 */
export const make = (options: Options = {}): Effect.Effect<Service> =>
  Effect.flatMap(InvalidOptions.orDie("drain", settings(options)), (checked) =>
    Effect.zipWith(
      Effect.zip(Deferred.make<void>(), Deferred.make<void>()),
      Deferred.make<void>(),
      ([start, idle], end) => new Draining(checked, start, idle, end)
    )
  )

/**
 * As `make`, as a Layer: put it under `Health` and under the server, so that both have the same one.
 *
 * @example
 * ```ts
 * import { Drain, Health } from "@effect-resilience/observability"
 * import { Effect, Layer } from "effect"
 *
 * const layer = Layer.provideMerge(Health.layer(), Drain.layer({ preStopDelay: "10 seconds" }))
 * const program = Effect.flatMap(Health.Health, ({ ready }) => ready)
 * Effect.runPromise(Effect.provide(program, layer)).then(({ status }) => console.log(status))
 * // pass
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<Drain> => Layer.effect(Drain, make(options))

/**
 * As `layer`, with what the environment says instead: `DRAIN_PRE_STOP_DELAY` for `preStopDelay`, `DRAIN_TIMEOUT` for
 * `gracefulShutdownTimeout`, as in `10 seconds`. Fails with a `ConfigError` that names each variable that is out of range.
 *
 * @example
 * ```ts
 * import { Drain } from "@effect-resilience/observability"
 * import { ConfigProvider, Effect, Layer } from "effect"
 *
 * const environment = ConfigProvider.fromMap(new Map([["DRAIN_PRE_STOP_DELAY", "0 seconds"]]))
 * const layer = Layer.provide(Drain.layerConfig(), Layer.setConfigProvider(environment))
 * const program = Effect.flatMap(Drain.Drain, ({ state }) => state)
 * Effect.runPromise(Effect.provide(program, layer)).then(({ phase }) => console.log(phase))
 * // Running
 * ```
 */
export const layerConfig = (options: Options = {}): Layer.Layer<Drain, ConfigError.ConfigError> =>
  Layer.effect(Drain, Effect.flatMap(fromEnvironment(options), make))

/**
 * Middleware that counts a request as in flight until it has ended, and refuses it with 503 and `Retry-After` once the
 * process takes no more. Answers say `Connection: close` from the beginning of the drain. When time is up the request is
 * interrupted, where it can be, and answered 503. As the middleware of `HttpServer.serve` it counts until the answer has
 * been sent, around an application until there is one. Servers of `ResilientNodeServer` have it already.
 *
 * @example
 * ```ts
 * import { Drain } from "@effect-resilience/observability"
 * import { HttpApp, HttpServerResponse } from "@effect/platform"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const drain = yield* Drain.make({ preStopDelay: 0 })
 *   const app = Effect.provideService(Drain.track(HttpServerResponse.text("here")), Drain.Drain, drain)
 *   yield* drain.shutdown
 *   return yield* Effect.promise(() => HttpApp.toWebHandler(app)(new Request("http://shop.example/")))
 * })
 * Effect.runPromise(program).then(({ headers, status }) => console.log(status, headers.get("retry-after")))
 * // 503 1
 * ```
 */
export const track = <E, R>(app: HttpApp.Default<E, R>): HttpApp.Default<E, R | Drain> =>
  Effect.flatMap(Drain, (drain) => drain.track(app))

/**
 * Has `stop` run when the process takes no more requests, and waited for as those in flight are; whatever was registered
 * stops at once. It is interrupted when time is up. A failure is logged and keeps nobody else from stopping. Until the
 * scope closes.
 *
 * @example
 * ```ts
 * import { Drain } from "@effect-resilience/observability"
 * import { Effect, Fiber, Queue } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const jobs = yield* Queue.unbounded<string>()
 *   const { begun, register, shutdown } = yield* Drain.Drain
 *   const next = Effect.raceFirst(Effect.asSome(Queue.take(jobs)), Effect.as(begun, "none" as const))
 *   const work = Effect.repeat(next, { until: (job) => job === "none" })
 *   const worker = yield* Effect.forkScoped(work)
 *   yield* register("worker", Effect.asVoid(Fiber.join(worker)))
 *   yield* shutdown
 * })
 * Effect.runPromise(Effect.scoped(Effect.provide(program, Drain.layer({ preStopDelay: 0 }))))
 * ```
 */
export const register = <E, R>(
  name: string,
  stop: Effect.Effect<void, E, R>
): Effect.Effect<void, never, R | Scope.Scope | Drain> => Effect.flatMap(Drain, (drain) => drain.register(name, stop))
