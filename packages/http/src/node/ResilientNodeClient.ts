/**
 * A protected client for Node with a pool of connections of its own, which the program's other calls cannot take from it.
 *
 * The pool has as many connections to an origin as the bulkhead has permits, so that whoever may call finds one, and who
 * may not waits in the bulkhead's line, where `maxQueue` and `maxWait` rule, and not for a socket, where nothing does. A
 * response that is held until its headers only keeps its connection without a permit: a client for such has a pool
 * without a limit; single calls that say so for themselves take connections from the others.
 *
 * Needs `@effect/platform-node`.
 */
import { InvalidOptions, type Policy } from "@effect-resilience/core"
import { NodeHttpClient } from "@effect/platform-node"
import { Agent, getGlobalDispatcher } from "@effect/platform-node/Undici"
import { type Context, type Duration, Effect, Layer, type Scope } from "effect"
import * as ResilientHttpClient from "../ResilientHttpClient.js"

/** The options of a client with its own pool. */
export interface Options extends Omit<ResilientHttpClient.Options, "pool"> {
  /** `"own"`, the default: connections of its own; `"global"`: those of undici's global dispatcher. */
  readonly pool?: "own" | "global" | undefined
  /** How long connecting may take, with an own pool. From 1 ms; default 2 seconds. */
  readonly connectTimeout?: Duration.DurationInput | undefined
}

/** As `Policy.standard` has it. */
const defaultMaxConcurrent = 50

const limitOf = ({ bulkhead, holdUntil }: Options): number | null =>
  bulkhead === "none" || holdUntil === "headers" ? null : (bulkhead?.maxConcurrent ?? defaultMaxConcurrent)

const ownAgent = (connections: number | null, timeout: number) =>
  Effect.acquireRelease(
    Effect.sync(() => new Agent({ connections, connect: { timeout } })),
    (agent) => Effect.promise(() => agent.destroy())
  )

/**
 * Makes a client with its own pool of connections, which are closed with the scope. Dies with `InvalidOptions` if an
 * option is out of range.
 *
 * @example
 * ```ts
 * import { ResilientNodeClient } from "@effect-resilience/http/node"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const client = yield* ResilientNodeClient.make("inventory", {
 *     timeout: "900 millis",
 *     retry: { maxRetries: 1 },
 *     bulkhead: { maxConcurrent: 20, maxQueue: 40 },
 *     connectTimeout: "300 millis"
 *   })
 *   return yield* Effect.flip(client.get("http://127.0.0.1:1/stock"))
 * })
 * Effect.runPromise(Effect.scoped(program)).then(({ _tag }) => console.log(_tag))
 * ```
 */
export const make = (
  name: string,
  options: Options = {}
): Effect.Effect<ResilientHttpClient.ResilientHttpClient, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { connectTimeout = "2 seconds", pool = "own", ...others } = options
    const timeout = yield* InvalidOptions.orDie(name, InvalidOptions.span("connectTimeout", connectTimeout))
    const limit = limitOf(options)
    const dispatcher = pool === "own" ? yield* ownAgent(limit, timeout) : getGlobalDispatcher()
    const own: { readonly pool?: Policy.Pool } = pool === "own" && limit !== null ? { pool: { name, size: limit } } : {}
    return yield* ResilientHttpClient.protect(NodeHttpClient.makeUndici(dispatcher), name, { ...others, ...own })
  })

/**
 * As `make`, as a Layer.
 *
 * @example
 * ```ts
 * import type { ResilientHttpClient } from "@effect-resilience/http"
 * import { ResilientNodeClient } from "@effect-resilience/http/node"
 * import { Context, Effect } from "effect"
 *
 * class Inventory extends Context.Tag("app/Inventory")<Inventory, ResilientHttpClient.ResilientHttpClient>() {}
 *
 * const inventory = ResilientNodeClient.layer(Inventory, "inventory", { timeout: "900 millis" })
 * const program = Effect.flatMap(Inventory, (client) => Effect.exit(client.get("http://127.0.0.1:1/stock")))
 * Effect.runPromise(Effect.provide(program, inventory)).then((exit) => console.log(exit._tag))
 * ```
 */
export const layer = <I>(
  tag: Context.Tag<I, ResilientHttpClient.ResilientHttpClient>,
  name: string,
  options: Options = {}
): Layer.Layer<I> => Layer.scoped(tag, make(name, options))
