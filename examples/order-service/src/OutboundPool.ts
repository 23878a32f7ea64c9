/**
 * The sockets to all dependencies together: at most `POOL_SIZE` (100) are open, and whoever comes later waits for one.
 *
 * Node's own agent with `maxTotalSockets`, which shares badly once requests wait: a freed socket goes to the origin that
 * had it as long as that one has anybody waiting, so one slow dependency starves all others. The bulkheads add up to no
 * more than the pool, so that with the policies on nobody waits here.
 *
 * A socket serves one request and is closed: idle kept-alive sockets of one origin would count against all others.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Config, Context, Effect, Layer } from "effect"
import * as Http from "node:http"
import * as Https from "node:https"

/** What the pool looks like at one moment. */
export interface Snapshot {
  /** The sockets that are open or being opened. */
  readonly open: number
  /** The requests that wait for a socket. */
  readonly waiting: number
  readonly size: number
}

/** The pool that every dependency's client shares. */
export class OutboundPool extends Context.Tag("order-service/OutboundPool")<
  OutboundPool,
  { readonly agent: Http.Agent; readonly snapshot: Effect.Effect<Snapshot> }
>() {}

const Size = Config.string("POOL_SIZE").pipe(
  Config.withDefault("100"),
  Config.mapAttempt((text) => {
    const size = text === "unlimited" ? Number.POSITIVE_INFINITY : Number(text)
    if (!(size >= 1) || (size !== Number.POSITIVE_INFINITY && !Number.isInteger(size))) {
      throw new Error(`POOL_SIZE: expected "unlimited" or a whole number of at least 1, not ${JSON.stringify(text)}`)
    }
    return size
  })
)

/** How many of these are still to be reckoned with. */
const alive = (lists: NodeJS.ReadOnlyDict<ReadonlyArray<{ readonly destroyed: boolean }>>): number =>
  Object.values(lists).reduce((sum, list) => sum + (list ?? []).filter(({ destroyed }) => !destroyed).length, 0)

const make = (size: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Http.Agent({ keepAlive: false, maxTotalSockets: size })),
      (agent) => Effect.sync(() => agent.destroy())
    ),
    (agent) => ({
      agent,
      snapshot: Effect.sync(() => ({ open: alive(agent.sockets), waiting: alive(agent.requests), size }))
    })
  )

/** A pool of `POOL_SIZE` sockets: a number, or `unlimited`, which is what Node does when nobody says anything. */
export const layer = Layer.scoped(OutboundPool, Effect.flatMap(Size, make))

/** The HTTP client over the pool. */
export const layerClient = NodeHttpClient.layerWithoutAgent.pipe(
  Layer.provide(
    Layer.effect(
      NodeHttpClient.HttpAgent,
      Effect.map(OutboundPool, ({ agent }) => ({
        [NodeHttpClient.HttpAgentTypeId]: NodeHttpClient.HttpAgentTypeId,
        http: agent,
        // Dependencies speak plain HTTP here; this one is never used.
        https: new Https.Agent({ keepAlive: false, maxTotalSockets: 1 })
      }))
    )
  )
)
