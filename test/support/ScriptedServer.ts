/** A server that does to its sockets what it is told, and counts the requests that really arrive. */
import { Effect, type Scope } from "effect"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { selfSigned } from "./certificate.js"

/** What is done about a request, and how long it keeps its connection in use. */
export type Step =
  | {
      readonly _tag: "answer"
      readonly status: number
      readonly headers?: Record<string, string>
      readonly body?: string
    }
  | { readonly _tag: "hang" }
  | { readonly _tag: "hangInBody"; readonly status?: number }
  | { readonly _tag: "trickle"; readonly chunks: number; readonly everyMillis: number }
  | { readonly _tag: "slowHeaders"; readonly millis: number }
  | { readonly _tag: "resetInBody" }
  | { readonly _tag: "reset" }
  | { readonly _tag: "close" }
  | { readonly _tag: "garbage" }

export const answer = (status: number, headers: Record<string, string> = {}, body = "{}"): Step => ({
  _tag: "answer",
  status,
  headers,
  body
})

/** A request as it arrived. */
export interface Arrived {
  readonly method: string
  readonly path: string
  readonly headers: ReadonlyMap<string, string>
}

const head = (status: number, headers: Record<string, string>) =>
  `HTTP/1.1 ${status} Told\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("")}\r\n`

export class ScriptedServer {
  readonly arrived: Array<Arrived> = []
  readonly sockets = new Set<Net.Socket>()
  /** Sockets with a request that has not been answered to its end. */
  readonly inUse = new Set<Net.Socket>()
  connections = 0
  mostInUse = 0
  private script: (n: number) => Step = () => answer(200)

  /** From now on: the n-th request, from 0, is met with this; the last of a list goes on for ever. */
  readonly become = (...steps: ReadonlyArray<Step>): void => {
    this.arrived.length = 0
    this.script = (n) => steps[Math.min(n, steps.length - 1)] ?? answer(200)
  }

  readonly connected = (socket: Net.Socket): void => {
    this.connections += 1
    this.sockets.add(socket)
    socket.setNoDelay(true)
    socket.on("error", () => {})
    socket.on("close", () => {
      this.sockets.delete(socket)
      this.inUse.delete(socket)
    })
    let received = ""
    socket.on("data", (data) => {
      received += data.toString("latin1")
      for (;;) {
        const end = received.indexOf("\r\n\r\n")
        if (end < 0) return
        const [first = "", ...lines] = received.slice(0, end).split("\r\n")
        const headers = new Map(
          lines.map((line) => {
            const at = line.indexOf(":")
            return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()] as const
          })
        )
        const length = Number(headers.get("content-length") ?? 0)
        if (received.length < end + 4 + length) return
        received = received.slice(end + 4 + length)
        const [method = "", path = ""] = first.split(" ")
        const n = this.arrived.push({ method, path, headers }) - 1
        this.inUse.add(socket)
        this.mostInUse = Math.max(this.mostInUse, this.inUse.size)
        this.meet(socket, this.script(n))
      }
    })
  }

  private meet(socket: Net.Socket, step: Step): void {
    const done = () => this.inUse.delete(socket)
    switch (step._tag) {
      case "answer": {
        const body = step.body ?? ""
        const length = step.status === 204 || step.status === 304 ? {} : { "Content-Length": `${body.length}` }
        done()
        socket.write(head(step.status, { ...length, ...step.headers }) + body)
        return
      }
      case "slowHeaders":
        setTimeout(() => {
          done()
          socket.write(`${head(200, { "Content-Length": "2" })}{}`)
        }, step.millis)
        return
      case "hang":
        return
      case "hangInBody":
        socket.write(`${head(step.status ?? 200, { "Content-Length": "10" })}{`)
        return
      case "trickle": {
        socket.write(head(200, { "Transfer-Encoding": "chunked" }))
        let left = step.chunks
        const timer = setInterval(() => {
          left -= 1
          if (left >= 0) return socket.write("1\r\nx\r\n")
          clearInterval(timer)
          done()
          return socket.write("0\r\n\r\n")
        }, step.everyMillis)
        socket.on("close", () => clearInterval(timer))
        return
      }
      case "resetInBody":
        socket.write(`${head(200, { "Content-Length": "10" })}{`, () => setTimeout(() => socket.resetAndDestroy(), 20))
        return
      case "reset":
        socket.resetAndDestroy()
        return
      case "close":
        socket.end()
        return
      case "garbage":
        socket.end("no, this is not HTTP\r\n\r\n")
    }
  }
}

const listening = (
  scripted: ScriptedServer,
  make: () => Net.Server,
  scheme: string
): Effect.Effect<{ readonly scripted: ScriptedServer; readonly url: string }, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<Net.Server>((resume) => {
        const server = make()
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          for (const socket of scripted.sockets) socket.destroy()
          server.close()
        })
    ),
    (server) => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      return { scripted, url: `${scheme}://127.0.0.1:${port}` }
    }
  )

/** A server on a port of its own. */
export const serve = Effect.suspend(() => {
  const scripted = new ScriptedServer()
  return listening(scripted, () => Net.createServer(scripted.connected), "http")
})

/** The same with a certificate that nobody trusts. */
export const serveUntrusted = Effect.suspend(() => {
  const scripted = new ScriptedServer()
  return listening(scripted, () => Tls.createServer(selfSigned(), scripted.connected), "https")
})

/** A port on which nobody listens. */
export const deserted = Effect.map(Effect.scoped(serve), ({ url }) => url)
