/** Servers of tests, on ports of loopback that nobody else has. */
import { Effect, type Scope } from "effect"
import type * as Http from "node:http"
import * as Net from "node:net"

/** Listens on a port of loopback until the scope closes; gives the address. */
export const listening = (server: Http.Server): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    yield* Effect.addFinalizer(() =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
    )
    const port = yield* Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    })
    return `http://127.0.0.1:${port}`
  })

/** A port that nobody listens on. */
export const freePort = Effect.async<number>((resume) => {
  const server = Net.createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})
