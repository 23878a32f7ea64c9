/**
 * Who is let in. A caller that asks for more than its share is told so (429), and when there is more to do than can be done
 * what matters least is refused (503): recommendations before product pages, and these before orders. Probes and metrics
 * are always answered. Both are decided by a request's head alone.
 *
 * Callers are told apart by their key, `x-api-key`, if it is one of `API_KEYS` or `PREMIUM_API_KEYS` (none by default), and
 * by their address otherwise, which is that of the socket or what a proxy of `TRUSTED_PROXIES` says. Each may ask
 * `RATE_LIMIT` (60000) times a minute, or `RATE_LIMIT_PREMIUM` (600000) with a key of the second kind.
 *
 * `CAPACITY` is how many requests may run at a time: a number, or `adaptive` (the default), learned from how long they take,
 * but never below `CAPACITY_MIN` (40).
 */
import { RateLimitMiddleware, type RouteCriticality, SheddingMiddleware } from "@effect-resilience/http"
import { Config, ConfigError, Context, Effect, Either, Layer } from "effect"
import { identity } from "effect/Function"
import { trustedCallers } from "./RequestBudget.js"

export class Admission extends Context.Tag("order-service/Admission")<
  Admission,
  {
    /** Puts the limits and the shedding around all routes. */
    readonly admit: RateLimitMiddleware.Middleware
  }
>() {}

/** What users can do without comes first; what is not here is critical. */
const routes: ReadonlyArray<RouteCriticality.Route> = [
  ["/products/:id/recommendations", "SHEDDABLE"],
  ["/products/:id", "SHEDDABLE_PLUS"],
  // Not even when the event loop is late.
  ["POST /orders", "CRITICAL_PLUS"]
]

type Capacity = NonNullable<SheddingMiddleware.Options["capacity"]>

const capacity = Config.string("CAPACITY").pipe(
  Config.withDefault("adaptive"),
  Config.mapOrFail((text): Either.Either<number | "adaptive", ConfigError.ConfigError> => {
    const fixed = Number(text)
    if (text === "adaptive") return Either.right(text)
    if (Number.isInteger(fixed) && fixed >= 1) return Either.right(fixed)
    return Either.left(
      ConfigError.InvalidData(["CAPACITY"], `expected "adaptive" or a whole number from 1, not ${JSON.stringify(text)}`)
    )
  })
)

/** At first two and a half times the least, which by default is as many as the outbound pool has sockets. */
const capacityOf = (given: number | "adaptive", min: number): Capacity =>
  given === "adaptive" ? { min, max: min * 25, initial: Math.ceil(min * 2.5) } : given

const atLeastOne = (name: string, otherwise: number) =>
  Config.integer(name).pipe(
    Config.withDefault(otherwise),
    Config.validate({ message: `${name}: expected a whole number from 1`, validation: (n) => n >= 1 })
  )

const strings = (name: string) => Config.withDefault(Config.array(Config.string(), name), [])

/** It throws where one is no address. */
const byAddress = Config.mapOrFail(strings("TRUSTED_PROXIES"), (trusted) =>
  Either.try({
    try: () => RateLimitMiddleware.byAddress({ trusted }),
    catch: (error) => ConfigError.InvalidData(["TRUSTED_PROXIES"], String(error))
  })
)

const settings = Config.all({
  capacity,
  // Payment alone may hold 20 requests for seconds, which says nothing of what others can do.
  minCapacity: atLeastOne("CAPACITY_MIN", 40),
  keys: strings("API_KEYS"),
  premiumKeys: strings("PREMIUM_API_KEYS"),
  limit: atLeastOne("RATE_LIMIT", 60_000),
  premiumLimit: atLeastOne("RATE_LIMIT_PREMIUM", 600_000),
  trustedCallers,
  byAddress
})

/** By what the environment says. */
export const layer = Layer.scoped(
  Admission,
  Effect.gen(function* () {
    const of = yield* settings
    const premium = new Set(of.premiumKeys)
    const known = new Set([...of.keys, ...premium])
    const byKey = RateLimitMiddleware.byHeader("x-api-key", { known: (key) => known.has(key) })
    const limited = yield* RateLimitMiddleware.make("api", {
      key: RateLimitMiddleware.firstOf(byKey, of.byAddress),
      limit: (key) => (premium.has(key) ? of.premiumLimit : of.limit),
      window: "1 minute"
    })
    const shedding = yield* SheddingMiddleware.make("shop", {
      routes,
      trusted: of.trustedCallers,
      capacity: capacityOf(of.capacity, of.minCapacity),
      // More than it takes to start, or for a busy machine to come back to it; pages are refused from twice that on.
      maxEventLoopDelay: "500 millis"
    })
    // Outside, so that who asks too often takes no place from others.
    return { admit: (app) => limited(shedding(app)) }
  })
)

/** Everybody is let in. */
export const layerNone = Layer.succeed(Admission, { admit: identity })
