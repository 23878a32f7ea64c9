/**
 * Three questions about a running program that are kept apart.
 *
 * - Live: does the process answer. It never asks a dependency, so that a sick one gets no instance killed.
 * - Ready: may it have traffic. Not while it shuts down, and only when the program's own checks pass. An open circuit
   does not change it: one sick dependency would take every instance out at once.
 * - Dependencies: how they are, by the states of their circuits, for people and dashboards. Always 200, so that a balancer
 *   that is wired to it by mistake takes no instance out either.
 *
 * Answers are `application/health+json`: `pass`, `warn` or `fail`. They come at once, whatever hangs: checks run in the
 * background, circuits are read where they are. They hold names that the program gave, states, numbers and the tags of
 * errors, never an error or a key.
 *
 * It does not watch over the process: one that is too busy to answer is found by whoever asks and waits in vain.
 */
import { CircuitBreaker, Keyed, type Policy, PolicyRegistry } from "@effect-resilience/core"
import { type HttpApp, HttpLayerRouter, HttpRouter, HttpServerResponse } from "@effect/platform"
import { Array, Context, Effect, Layer, Option, type Scope } from "effect"
import { Drain } from "./Drain.js"
import { type Check, type CheckOptions, start } from "./HealthCheck.js"
import * as Report from "./HealthReport.js"

export type { Check, CheckOptions } from "./HealthCheck.js"
export type { CheckReport, CircuitReport, Dependencies, Overall, Readiness, Status } from "./HealthReport.js"

/** What is known of the program's health. */
export interface Service {
  /** Whether it may have traffic. */
  readonly ready: Effect.Effect<Report.Readiness>
  /** How its dependencies are. */
  readonly dependencies: Effect.Effect<Report.Dependencies>
  /** Runs one more check, while the scope lives. Dies with `InvalidOptions` if an option is out of range. */
  readonly register: <R>(check: Check<R>) => Effect.Effect<void, never, R | Scope.Scope>
}

/** The health of the running program. */
export class Health extends Context.Tag("@effect-resilience/observability/Health")<Health, Service>() {}

/**
 * A check of the program's own: it passes when the effect succeeds within `timeout`, and fails also when it dies. It is
 * run in the background, at once and then every `interval`, without anybody's deadline; until its first run has ended it
 * is failing, and so is one that does not come back.
 *
 * @example
 * ```ts
 * import { Drain, Health } from "@effect-resilience/observability"
 * import { Effect, Layer } from "effect"
 *
 * const database = Health.check("database", Effect.fail("no route"), { timeout: "300 millis", interval: "5 seconds" })
 * const program = Effect.flatMap(Health.Health, ({ ready }) => Effect.delay(ready, "10 millis"))
 * const layer = Layer.provide(Health.layer({ checks: [database] }), Drain.layer())
 * Effect.runPromise(Effect.provide(program, layer)).then(({ checks }) => console.log(checks["database"]?.[0]?.output))
 * // string
 * ```
 */
export const check = <R>(
  name: string,
  effect: Effect.Effect<unknown, unknown, R>,
  options: CheckOptions = {}
): Check<Exclude<R, Scope.Scope>> => ({ name, effect: Effect.scoped(effect), options })

/** What health is made of. */
export interface Options<R = never> {
  /** The program's own checks. Default none. */
  readonly checks?: ReadonlyArray<Check<R>> | undefined
}

const noReport = Effect.succeedNone

const ofKeyed = (policies: Keyed.Readable<unknown, Policy.Policy<unknown>>) =>
  Effect.flatMap(policies.entries, (entries) => {
    const breakers = entries.flatMap(([, policy]) => CircuitBreaker.breakersIn(policy))
    const snapshots = Effect.forEach(breakers, ({ snapshot }) => snapshot)
    return breakers.length === 0 ? noReport : Effect.map(snapshots, (all) => Option.some(Report.ofKeyed(all)))
  })

/** What a registered policy says of its dependency: a breaker, and a `Keyed` that has some. */
const reportOf = ({ policy }: PolicyRegistry.Entry): Effect.Effect<Option.Option<Report.CircuitReport>> => {
  if (CircuitBreaker.isCircuitBreaker(policy)) {
    return Effect.map(policy.snapshot, (snapshot) => Option.some(Report.ofCircuit(snapshot)))
  }
  return Keyed.isKeyed(policy) ? ofKeyed(policy) : noReport
}

const named = (entry: PolicyRegistry.Entry) =>
  Effect.map(
    reportOf(entry),
    Option.map((report) => [entry.name, report] as const)
  )

const reports = Effect.flatMap(PolicyRegistry.entries, (entries) =>
  Effect.map(Effect.forEach(entries, named), Array.getSomes)
)

/**
 * Makes the health of a program whose drain is at hand. Dies with `InvalidOptions` if a check's option is out of range.
 *
 * @example
 * ```ts
 * import { Drain, Health } from "@effect-resilience/observability"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const health = yield* Health.make()
 *   yield* health.register(Health.check("disk", Effect.void))
 *   return yield* Effect.delay(health.ready, "10 millis")
 * })
 * Effect.runPromise(Effect.scoped(Effect.provide(program, Drain.layer()))).then(({ status }) => console.log(status))
 * // pass
 * ```
 */
export const make = <R = never>({ checks = [] }: Options<R> = {}): Effect.Effect<
  Service,
  never,
  R | Drain | Scope.Scope
> =>
  Effect.gen(function* () {
    const drain = yield* Drain
    const registry = yield* PolicyRegistry.PolicyRegistry
    const running = new Set<readonly [name: string, last: Effect.Effect<Report.CheckReport>]>()
    const register = <R2>(one: Check<R2>): Effect.Effect<void, never, R2 | Scope.Scope> =>
      Effect.uninterruptible(
        Effect.gen(function* () {
          const entry = [one.name, yield* start(one)] as const
          running.add(entry)
          yield* Effect.addFinalizer(() => Effect.sync(() => running.delete(entry)))
        })
      )
    yield* Effect.forEach(checks, register, { discard: true })
    return {
      ready: Effect.gen(function* () {
        const { phase } = yield* drain.state
        const all = yield* Effect.forEach(running, ([name, last]) =>
          Effect.map(last, (report) => [name, report] as const)
        )
        return Report.readiness(phase !== "Running", all)
      }),
      dependencies: Effect.map(
        Effect.provideService(reports, PolicyRegistry.PolicyRegistry, registry),
        Report.dependencies
      ),
      register
    }
  })

/**
 * As `make`, as a Layer over `Drain.layer`.
 *
 * @example
 * ```ts
 * import { CircuitBreaker } from "@effect-resilience/core"
 * import { Drain, Health } from "@effect-resilience/observability"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const payment = yield* CircuitBreaker.make("payment")
 *   yield* CircuitBreaker.make("stock")
 *   yield* payment.isolate
 *   const { dependencies } = yield* Health.Health
 *   return yield* dependencies
 * })
 * const layer = Layer.provide(Health.layer(), Drain.layer())
 * Effect.runPromise(Effect.scoped(Effect.provide(program, layer))).then(({ health, output }) => console.log(health, output))
 * // DEGRADED payment is Isolated
 * ```
 */
export const layer = <R = never>(options: Options<R> = {}): Layer.Layer<Health, never, R | Drain> =>
  Layer.scoped(Health, make(options))

/** Nobody keeps an answer that is old the moment after. */
const answer = (body: { readonly status: Report.Status }, status: number): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.unsafeJson(body, {
    status,
    contentType: "application/health+json",
    headers: { "cache-control": "no-store" }
  })

const ofReadiness = (ready: Report.Readiness) => answer(ready, ready.status === "pass" ? 200 : 503)

/** Answers 200: the process answers. It asks nobody. */
export const live: HttpApp.Default = Effect.sync(() => answer({ status: "pass" }, 200))

/** Answers 200 when the program may have traffic, otherwise 503. */
export const ready: HttpApp.Default<never, Health> = Effect.flatMap(Health, (health) =>
  Effect.map(health.ready, ofReadiness)
)

/** Answers 200, with the state of every circuit. */
export const dependencies: HttpApp.Default<never, Health> = Effect.flatMap(Health, (health) =>
  Effect.map(health.dependencies, (report) => answer(report, 200))
)

/**
 * `/health/live`, `/health/ready` and `/health/dependencies` as a router: to be joined with another by `HttpRouter.concat`,
 * or served by itself on a port of its own.
 *
 * @example
 * ```ts
 * import { Drain, Health } from "@effect-resilience/observability"
 * import { HttpApp } from "@effect/platform"
 * import { Effect, Layer } from "effect"
 *
 * const { handler } = HttpApp.toWebHandlerLayer(Health.router, Layer.provide(Health.layer(), Drain.layer()))
 * handler(new Request("http://shop.example/health/live")).then(({ status }) => console.log(status))
 * // 200
 * ```
 */
export const router: HttpRouter.HttpRouter<never, Health> = HttpRouter.empty.pipe(
  HttpRouter.get("/health/live", live),
  HttpRouter.get("/health/ready", ready),
  HttpRouter.get("/health/dependencies", dependencies)
)

/**
 * The same routes for an `HttpLayerRouter`: merge it with the Layers of the others.
 *
 * @example
 * ```ts
 * import { Drain, Health } from "@effect-resilience/observability"
 * import { HttpLayerRouter } from "@effect/platform"
 * import { Layer } from "effect"
 *
 * const routes = Health.layerRouter.pipe(Layer.provide(Health.layer()), Layer.provide(Drain.layer()))
 * const { handler } = HttpLayerRouter.toWebHandler(routes, { disableLogger: true })
 * handler(new Request("http://shop.example/health/ready")).then(({ status }) => console.log(status))
 * // 200
 * ```
 */
export const layerRouter: Layer.Layer<never, never, HttpLayerRouter.HttpRouter | Health> = HttpLayerRouter.use(
  (routes) =>
    Effect.flatMap(Health, (health) => {
      const handle = (app: HttpApp.Default<never, Health>) => Effect.provideService(app, Health, health)
      return Effect.all([
        routes.add("GET", "/health/live", live),
        routes.add("GET", "/health/ready", handle(ready)),
        routes.add("GET", "/health/dependencies", handle(dependencies))
      ])
    })
)
