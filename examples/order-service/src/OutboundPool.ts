/**
 * The sockets to all dependencies together: at most `POOL_SIZE` (100) are open, and whoever comes later waits for one.
 *
 * Node's own agent has `maxTotalSockets`, but shares badly: a freed socket goes to the origin that had it as long as
 * that one has anybody waiting, and idle kept-alive sockets of one origin count against all others, so an origin
 * without a socket can starve next to a busy one. Here there is one line for all origins, first come, first served.
 *
 * A socket serves one request and is closed (no keep-alive). That costs a connect each time, next to nothing on
 * loopback, and saves the race between a request and the server that is just closing the idle socket under it.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Config, Context, Effect, Layer } from "effect"
import * as Http from "node:http"
import * as Https from "node:https"
import * as Net from "node:net"

/** What the pool looks like at one moment. */
export interface Snapshot {
  /** The sockets that are open or being opened. */
  readonly open: number
  /** The requests that wait for a socket. */
  readonly waiting: number
  readonly size: number
}

/** What of a request's options says where its socket leads. */
interface Destination {
  readonly host?: string | null | undefined
  readonly port?: number | string | null | undefined
}

interface Waiting {
  readonly request: Http.ClientRequest
  readonly to: Destination
}

/** An agent with one line for all origins. `addRequest` is what `http.request` calls on its agent. */
class OutboundAgent extends Http.Agent {
  private open = 0
  private line: Array<Waiting> = []

  constructor(readonly size: number) {
    super({ keepAlive: false })
  }

  snapshot(): Snapshot {
    this.forgetAborted()
    return { open: this.open, waiting: this.line.length, size: this.size }
  }

  addRequest(request: Http.ClientRequest, to: Destination): void {
    if (this.open < this.size) this.connect({ request, to })
    else this.line.push({ request, to })
  }

  override destroy(): void {
    this.line = []
    super.destroy()
  }

  /** A request that is given up while it waits gets no event until it has a socket: it leaves the line by this. */
  private forgetAborted(): void {
    if (this.line.some(({ request }) => request.destroyed)) {
      this.line = this.line.filter(({ request }) => !request.destroyed)
    }
  }

  private connect({ request, to }: Waiting): void {
    this.open += 1
    const socket = Net.connect({ host: to.host ?? "localhost", port: Number(to.port ?? 80), noDelay: true })
    // A request that was given up while its socket was being opened hands it back unused.
    socket.once("free", () => socket.destroy())
    socket.once("close", () => {
      this.open -= 1
      this.next()
    })
    request.onSocket(socket)
  }

  private next(): void {
    while (this.open < this.size) {
      const waiting = this.line.shift()
      if (waiting === undefined) return
      if (!waiting.request.destroyed) this.connect(waiting)
    }
  }
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

const make = (size: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new OutboundAgent(size)),
      (agent) => Effect.sync(() => agent.destroy())
    ),
    (agent) => ({ agent, snapshot: Effect.sync(() => agent.snapshot()) })
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
