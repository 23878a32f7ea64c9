/**
 * A server in a process of its own, told to stop by a signal while requests are under way, over real sockets. Whatever
 * the machine is busy with, nothing here depends on how long something takes: only on what comes before what.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { spawn } from "node:child_process"
import * as Http from "node:http"
import * as Net from "node:net"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../support/draining-server.ts", import.meta.url))

interface Ended {
  readonly code: number | null
  readonly signal: string | null
}

interface Server {
  readonly port: number
  readonly probes: number
  readonly signal: Effect.Effect<void>
  readonly ended: Effect.Effect<Ended>
}

const start = (preStop: string, timeout: string): Effect.Effect<Server, never, Scope.Scope> =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, ["--import", "tsx", program], {
          env: { PATH: process.env.PATH, DRAIN_PRE_STOP_DELAY: preStop, DRAIN_TIMEOUT: timeout },
          stdio: ["ignore", "pipe", "inherit"]
        })
      ),
      (started) => Effect.sync(() => started.kill("SIGKILL"))
    )
    const exit = new Promise<Ended>((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })))
    const [probes, port] = yield* Effect.async<readonly [number, number]>((resume) => {
      let said = ""
      child.stdout.on("data", (text) => {
        said += text
        const found = /probes on (\d+)[^]*serves http:\S+:(\d+)/.exec(said)
        if (found !== null) resume(Effect.succeed([Number(found[1]), Number(found[2])]))
      })
    })
    return {
      port,
      probes,
      signal: Effect.sync(() => void child.kill("SIGTERM")),
      ended: Effect.promise(() => exit)
    }
  })

interface Answer {
  /** 0 where there was none. */
  readonly status: number
  readonly connection: string | undefined
  readonly retryAfter: string | undefined
  readonly body: string
  /** Why there was none. */
  readonly error: string
}

const noAnswer = { status: 0, connection: undefined, retryAfter: undefined, body: "" }

const get = (port: number, path: string, agent: Http.Agent | false = false) =>
  Effect.async<Answer>((resume) => {
    const failed = (error: NodeJS.ErrnoException) => resume(Effect.succeed({ ...noAnswer, error: error.code ?? "?" }))
    const request = Http.get({ host: "127.0.0.1", port, path, agent }, (response) => {
      let body = ""
      response.on("data", (chunk) => (body += chunk))
      response.once("error", failed)
      response.once("end", () =>
        resume(
          Effect.succeed({
            status: response.statusCode ?? 0,
            connection: response.headers.connection,
            retryAfter: response.headers["retry-after"],
            body,
            error: ""
          })
        )
      )
    })
    request.once("error", failed)
  })

const untilNotReady = (port: number) =>
  Effect.repeat(Effect.delay(get(port, "/health/ready"), "5 millis"), { until: ({ status }) => status !== 200 })

const untilRefused = (port: number) =>
  Effect.repeat(Effect.delay(get(port, "/after/0"), "5 millis"), { until: ({ status }) => status === 0 })

/** A connection of our own, and all that came over it when it was closed. */
const socket = (port: number) =>
  Effect.async<{ readonly write: (text: string) => void; readonly said: Promise<string> }>((resume) => {
    const connection = Net.connect(port, "127.0.0.1")
    let heard = ""
    connection.on("data", (chunk) => (heard += chunk))
    connection.on("error", () => {})
    const said = new Promise<string>((resolve) => connection.once("close", () => resolve(heard)))
    connection.once("connect", () => resume(Effect.succeed({ write: (text) => connection.write(text), said })))
  })

const begun = (port: number, path: string, count: number) =>
  Effect.gen(function* () {
    const fibers = yield* Effect.forEach(Array.from({ length: count }), () => Effect.fork(get(port, path)))
    // Whatever was sent before this is in the server's hands once it has answered this.
    yield* Effect.sleep("50 millis")
    yield* Effect.repeatN(get(port, "/after/0"), 5)
    return Effect.forEach(fibers, (fiber) => fiber.await.pipe(Effect.flatten))
  })

describe("a server that is told to stop", { timeout: 120_000 }, () => {
  it.scopedLive("answers all there is under load, is not ready before it refuses, and ends with 0", () =>
    Effect.gen(function* () {
      const server = yield* start("1 second", "60 seconds")
      const happened: Array<string> = []
      const balancer = { sends: true }
      const agent = new Http.Agent({ keepAlive: true })

      // Clients behind a balancer, on kept connections, until it hears that the server is not ready.
      const answers: Array<Answer> = []
      const recorded = (one: Effect.Effect<Answer>) => Effect.tap(one, (answer) => void answers.push(answer))
      const load = yield* Effect.fork(
        Effect.forEach(
          Array.from({ length: 8 }),
          () => Effect.repeat(recorded(get(server.port, "/after/10", agent)), { while: () => balancer.sends }),
          { concurrency: "unbounded", discard: true }
        )
      )
      // Clients that ask directly, and go on until nobody is there.
      const direct: Array<Answer> = []
      const stubborn = yield* Effect.fork(
        Effect.forEach(
          Array.from({ length: 3 }),
          () =>
            Effect.repeat(
              Effect.tap(get(server.port, "/after/1"), (answer) => {
                direct.push(answer)
                if (answer.status === 0) happened.push("refused")
              }),
              { until: ({ status }) => status === 0 }
            ),
          { concurrency: "unbounded", discard: true }
        )
      )
      const held = yield* begun(server.port, "/held", 5)
      const streams = yield* begun(server.port, "/streamed", 2)
      yield* server.signal
      const notReady = yield* untilNotReady(server.port)
      happened.push("not ready")
      balancer.sends = false
      expect(notReady).toMatchObject({ status: 503, connection: "close" })
      expect((yield* get(server.probes, "/health/ready")).status).toBe(503)
      yield* load.await
      yield* stubborn.await
      // The port is closed, and not all is done: probes are still answered.
      expect((yield* get(server.probes, "/health/live")).status).toBe(200)
      yield* get(server.probes, "/release")
      for (const answer of yield* held) expect(answer).toMatchObject({ status: 200, body: "here", connection: "close" })
      for (const { body } of yield* streams) expect(body).toBe("part ".repeat(50))
      expect(answers.length).toBeGreaterThan(8)
      expect(answers.filter(({ status }) => status !== 200)).toEqual([])
      // Each of these ends with a connection that did not come about; a reset is one that only the kernel had taken.
      expect(direct.filter(({ status }) => status !== 200 && status !== 503)).toHaveLength(3)
      for (const { error } of direct) expect(["", "ECONNREFUSED", "ECONNRESET"]).toContain(error)
      expect(happened[0]).toBe("not ready")
      expect(yield* server.ended).toEqual({ code: 0, signal: null })
      agent.destroy()
    })
  )

  it.scopedLive("closes idle connections, and answers a request that comes too late", () =>
    Effect.gen(function* () {
      const server = yield* start("0 seconds", "60 seconds")
      const idle = yield* socket(server.port)
      idle.write("GET /after/0 HTTP/1.1\r\nhost: x\r\n\r\n")
      const late = yield* socket(server.port)
      late.write("GET /after/0 HTTP/1.1\r\nhost: x\r\n")
      const silent = yield* socket(server.port)
      const held = yield* begun(server.port, "/held", 1)
      yield* server.signal
      yield* untilRefused(server.port)
      expect(yield* Effect.promise(() => idle.said)).toMatch(/^HTTP\/1.1 200 OK/)
      late.write("\r\n")
      const answer = yield* Effect.promise(() => late.said)
      expect(answer).toMatch(/^HTTP\/1.1 503 /)
      expect(answer.toLowerCase()).toMatch(/retry-after: 1\r\n/)
      expect(answer.toLowerCase()).toMatch(/connection: close\r\n/)
      yield* get(server.probes, "/release")
      expect(yield* held).toMatchObject([{ status: 200 }])
      expect(yield* server.ended).toEqual({ code: 0, signal: null })
      expect(yield* Effect.promise(() => silent.said)).toBe("")
    })
  )

  it.scopedLive("interrupts and answers what takes too long, also what cannot be interrupted, and ends with 0", () =>
    Effect.gen(function* () {
      const server = yield* start("0 seconds", "300 millis")
      const never = yield* begun(server.port, "/never", 2)
      const deaf = yield* begun(server.port, "/deaf", 2)
      yield* server.signal
      for (const answer of [...(yield* never), ...(yield* deaf)]) {
        expect(answer).toMatchObject({ status: 503, connection: "close", retryAfter: "1" })
      }
      expect(yield* server.ended).toEqual({ code: 0, signal: null })
    })
  )

  it.scopedLive("ends at once when it is told again", () =>
    Effect.gen(function* () {
      const server = yield* start("10 minutes", "10 minutes")
      const never = yield* begun(server.port, "/never", 1)
      yield* server.signal
      yield* untilNotReady(server.port)
      yield* server.signal
      expect(yield* server.ended).toEqual({ code: null, signal: "SIGTERM" })
      expect(yield* never).toMatchObject([{ status: 0 }])
    })
  )
})
