/**
 * The order service as a process of its own, on real sockets: what it answers to bad requests, and that nothing which
 * ends the process loses a pending order.
 */
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, type Console, Data, Effect, Exit, Option, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Http from "node:http"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Process from "../../examples/order-service/src/Process.js"

const main = fileURLToPath(new URL("../../examples/order-service/src/main.ts", import.meta.url))

class Unexpected extends Data.TaggedError("Unexpected")<{ readonly what: string }> {
  override get message() {
    return this.what
  }
}

/** All dependencies behind one port: enough of the agreed answers for orders, and payment that can be switched off. */
const dependencies = Effect.gen(function* () {
  const town = { paymentIsOut: false, charges: new Map<string, Set<string>>(), attempts: 0 }
  const answer = (request: Http.IncomingMessage, body: string): readonly [number, unknown] => {
    const [, resource, id] = (request.url ?? "").split("/")
    const sent: Record<string, unknown> = body === "" ? {} : JSON.parse(body)
    const orderId = String(sent.orderId)
    switch (`${request.method} /${resource}`) {
      case "POST /reservations":
        return sent.productId === "p1" ? [201, { orderId, reserved: true }] : [404, {}]
      case "DELETE /reservations":
        return [204, undefined]
      case "GET /stock":
        return [200, { productId: id, available: 5 }]
      case "POST /charges": {
        town.attempts += 1
        if (town.paymentIsOut) return [500, {}]
        const key = String(request.headers["idempotency-key"])
        town.charges.set(orderId, (town.charges.get(orderId) ?? new Set()).add(key))
        return [201, { chargeId: `for ${key}`, orderId, amountCents: sent.amountCents }]
      }
      case "POST /notifications":
        return [202, {}]
      case "GET /products":
        return id === "p1" ? [200, { id, name: "One", description: "first" }] : [404, {}]
      case "GET /prices":
        return id === "p1" ? [200, { id, amountCents: 1010, currency: "EUR" }] : [404, {}]
      case "GET /reviews":
        return [200, { id, rating: 4, count: 2 }]
      case "GET /recommendations":
        return [200, { items: ["p2"] }]
      default:
        return [404, {}]
    }
  }
  const server = Http.createServer((request, response) => {
    let body = ""
    request.on("data", (chunk) => (body += chunk))
    request.on("end", () => {
      const [status, content] = answer(request, body)
      response.writeHead(status, { "content-type": "application/json" })
      response.end(content === undefined ? undefined : JSON.stringify(content))
    })
  })
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
  return Object.assign(town, { url: `http://127.0.0.1:${port}` })
})

const folder = Effect.acquireRelease(
  Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "order-service-"))),
  (path) => Effect.promise(() => Fs.rm(path, { recursive: true, force: true }))
)

interface Service {
  readonly url: string
  /** Sends a signal and waits until the process is gone; gives its exit code. */
  readonly stop: (signal: NodeJS.Signals) => Effect.Effect<number | null>
}

const exited = (child: ChildProcess) =>
  Effect.async<number | null>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) resume(Effect.succeed(child.exitCode))
    else child.once("exit", (code) => resume(Effect.succeed(code)))
  })

const environment = (url: string, dataDir: string, port: string): ReadonlyMap<string, string> => {
  const names = ["INVENTORY", "PAYMENT", "NOTIFICATION", "PRODUCT", "PRICING", "REVIEWS", "RECOMMENDATIONS"]
  return new Map([
    ...names.map((name) => [`${name}_URL`, url] as const),
    ["DATA_DIR", dataDir],
    ["PORT", port],
    ["DRAIN_PRE_STOP_DELAY", "0 seconds"]
  ])
}

const launch = (url: string, dataDir: string, settings: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["--import", "tsx", main], {
        env: { PATH: process.env.PATH, ...Object.fromEntries(environment(url, dataDir, "0")), ...settings },
        stdio: ["ignore", "pipe", "pipe"]
      })
    ),
    (child) =>
      Effect.zipRight(
        Effect.sync(() => child.kill("SIGKILL")),
        exited(child)
      )
  )

const start = (
  url: string,
  dataDir: string,
  settings: Readonly<Record<string, string>> = {}
): Effect.Effect<Service, Unexpected, Scope.Scope> =>
  Effect.gen(function* () {
    const child = yield* launch(url, dataDir, settings)
    const listening = yield* Effect.async<string, Unexpected>((resume) => {
      let said = ""
      child.stderr?.on("data", (chunk) => (said += chunk))
      child.stdout?.on("data", (chunk) => {
        said += chunk
        const address = /listening on (http:\S+)/.exec(said)?.[1]
        if (address !== undefined) resume(Effect.succeed(address))
      })
      child.once("exit", () => resume(new Unexpected({ what: said })))
    })
    return {
      url: listening,
      stop: (signal) =>
        Effect.zipRight(
          Effect.sync(() => child.kill(signal)),
          exited(child)
        )
    }
  })

const send = (url: string, init?: RequestInit) =>
  Effect.promise(async () => {
    const response = await fetch(url, init)
    const text = await response.text()
    const body: unknown = text === "" ? undefined : JSON.parse(text)
    return { status: response.status, location: response.headers.get("location"), body }
  })

const post = (service: Service, body: string) => send(`${service.url}/orders`, { method: "POST", body })
const one = JSON.stringify({ productId: "p1", quantity: 1, amountCents: 1010 })

/** Places an order; none where nobody took the connection, or it was lost. */
const attempt = (service: Service) =>
  Effect.option(
    Effect.tryPromise(async () => {
      const response = await fetch(`${service.url}/orders`, { method: "POST", body: one })
      await response.text()
      return { status: response.status, location: response.headers.get("location") }
    })
  )

/** A port that nobody listens on. */
const freePort = Effect.async<number>((resume) => {
  const server = Net.createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

const find = (service: Service, location: string | null) => send(`${service.url}${location}`)

/** Sends raw bytes and gives the first line of the answer. */
const raw = (url: string, bytes: string) =>
  Effect.async<string>((resume) => {
    let answer = ""
    const { hostname, port } = new URL(url)
    const socket = Net.connect(Number(port), hostname, () => socket.write(bytes))
    socket.on("data", (chunk) => {
      answer += chunk
      if (answer.includes("\r\n")) {
        socket.destroy()
        resume(Effect.succeed(answer.split("\r\n")[0] ?? ""))
      }
    })
    socket.on("error", () => resume(Effect.succeed(answer)))
  })

const confirmed = (service: Service, location: string | null) =>
  Effect.repeat(Effect.delay(find(service, location), "50 millis"), {
    until: ({ body }) => JSON.stringify(body).includes('"confirmed"')
  })

/** A page, asked for until the machine is quick enough to put it together in full. */
const inPeace = (url: string) =>
  Effect.repeat(send(url), {
    until: ({ body, status }) => status !== 503 && (status !== 200 || JSON.stringify(body).includes('"degraded":[]'))
  })

describe("the order service on real sockets", { timeout: 120_000 }, () => {
  it.live("answers orders, pages and bad requests", () =>
    Effect.gen(function* () {
      const town = yield* dependencies
      const service = yield* start(town.url, yield* folder)
      const placed = yield* post(service, one)
      expect(yield* confirmed(service, placed.location)).toMatchObject({ status: 200 })
      expect(yield* inPeace(`${service.url}/products/p1`)).toMatchObject({ status: 200, body: { degraded: [] } })
      expect(yield* inPeace(`${service.url}/products/p999`)).toMatchObject({ status: 404 })
      expect(yield* send(`${service.url}/health/dependencies`)).toMatchObject({
        status: 200,
        body: { health: "HEALTHY" }
      })
      expect(yield* post(service, "")).toMatchObject({ status: 400, body: { issues: [{}, {}, {}] } })
      expect(yield* post(service, "{")).toMatchObject({ status: 400 })
      expect(yield* post(service, '{"productId":"p1","quantity":0,"amountCents":1}')).toMatchObject({
        status: 400,
        body: { issues: [{ path: "quantity" }] }
      })
      expect(yield* post(service, one.padEnd(64 * 1024 + 1))).toMatchObject({ status: 413 })
      expect(yield* post(service, one.padEnd(3 * 1024 * 1024))).toMatchObject({ status: 413 })
      const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`
      const chunked = `POST /orders HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${chunk}${chunk}0\r\n\r\n`
      expect(yield* raw(service.url, chunked)).toContain("413")
      const announced = "POST /orders HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n{"
      expect(yield* raw(service.url, announced)).toContain("413")
      expect(yield* send(`${service.url}/nothing`)).toMatchObject({ status: 404 })
      expect(yield* service.stop("SIGTERM")).toBe(0)
    }).pipe(Effect.scoped)
  )

  it.live("loses no pending order when it is stopped, or killed, and charges each of them once", () =>
    Effect.gen(function* () {
      const town = yield* dependencies
      const dataDir = yield* folder
      town.paymentIsOut = true
      const first = yield* start(town.url, dataDir)
      const stopped = yield* Effect.all([post(first, one), post(first, one)], { concurrency: 2 })
      expect(stopped.map(({ status }) => status)).toEqual([202, 202])
      expect(yield* first.stop("SIGTERM")).toBe(0)

      const second = yield* start(town.url, dataDir)
      const killed = yield* post(second, one)
      expect(killed).toMatchObject({ status: 202 })
      yield* second.stop("SIGKILL")
      // What a kill in the middle of a write leaves.
      yield* Effect.promise(() => Fs.appendFile(Path.join(dataDir, "orders.journal"), '{"_tag":"Placed","id":"to'))

      const attempts = town.attempts
      expect(attempts).toBeGreaterThan(0)
      town.paymentIsOut = false
      const third = yield* start(town.url, dataDir)
      const locations = [...stopped, killed].map(({ location }) => location)
      yield* Effect.forEach(locations, (location) => confirmed(third, location))
      expect(town.charges.size).toBe(3)
      expect([...town.charges.values()].map((keys) => keys.size)).toEqual([1, 1, 1])

      // The torn line is gone, and every line that a third process added stands by itself.
      yield* third.stop("SIGKILL")
      const journal = yield* Effect.promise(() => Fs.readFile(Path.join(dataDir, "orders.journal"), "utf8"))
      const entries = journal.trimEnd().split("\n")
      expect(entries.map((line) => String(JSON.parse(line)._tag)).toString()).toBe(
        "Placed,Placed,Placed,Confirmed,Confirmed,Confirmed"
      )
    }).pipe(Effect.scoped)
  )

  it.live("loses no accepted order when it is stopped under load, and answers probes on a port of their own", () =>
    Effect.gen(function* () {
      const town = yield* dependencies
      const dataDir = yield* folder
      const adminPort = yield* freePort
      const first = yield* start(town.url, dataDir, { ADMIN_PORT: String(adminPort) })
      const ready = send(`http://127.0.0.1:${adminPort}/health/ready`)
      expect(yield* ready).toMatchObject({ status: 200, body: { status: "pass" } })
      const accepted: Array<string | null> = []
      const others: Array<number> = []
      const note = (answer: { readonly status: number; readonly location: string | null }) => {
        if (answer.status === 201 || answer.status === 202) accepted.push(answer.location)
        else others.push(answer.status)
      }
      const client = Effect.repeat(
        Effect.tap(attempt(first), (answer) => Option.map(answer, note)),
        {
          while: Option.isSome
        }
      )
      const load = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 6 }, () => client),
          { concurrency: 6 }
        )
      )
      yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => accepted.length > 20 })
      town.paymentIsOut = true
      const soFar = accepted.length
      yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => accepted.length > soFar + 10 })
      expect(yield* first.stop("SIGTERM")).toBe(0)
      yield* load.await
      expect(others.filter((status) => status !== 503)).toEqual([])

      town.paymentIsOut = false
      const second = yield* start(town.url, dataDir)
      yield* Effect.forEach(accepted, (location) => confirmed(second, location))
      expect([...town.charges.values()].filter((keys) => keys.size !== 1)).toEqual([])
      expect(town.charges.size).toBeGreaterThanOrEqual(accepted.length)
      yield* second.stop("SIGKILL")
    }).pipe(Effect.scoped)
  )

  it.live("says that its port is taken", () =>
    Effect.gen(function* () {
      const town = yield* dependencies
      const port = new URL(town.url).port
      const said: Array<string> = []
      const quiet: Console.Console = {
        ...(yield* Effect.console),
        error: (text) => Effect.sync(() => void said.push(String(text)))
      }
      const exit = yield* Process.run.pipe(
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map(environment(town.url, yield* folder, port)))),
        Effect.withConsole(quiet),
        Effect.exit
      )
      expect(Exit.isFailure(exit)).toBe(true)
      expect(said.join("\n")).toContain(`port ${port} is in use`)
    }).pipe(Effect.scoped)
  )
})
