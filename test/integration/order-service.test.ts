/**
 * The order service as a process of its own, on real sockets: what it answers to bad requests, and that nothing which
 * ends the process loses a pending order.
 */
import { describe, expect, it } from "@effect/vitest"
import { ConfigProvider, type Console, Effect, Exit, Option, type Scope } from "effect"
import * as Fs from "node:fs/promises"
import * as Net from "node:net"
import * as Path from "node:path"
import * as Process from "../../examples/order-service/src/Process.js"
import { freePort } from "../support/Loopback.js"
import { dependencies, environment, folder, type Service, start } from "../support/RunningOrderService.js"

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

/** Starts it with chaos for so many seconds, or longer where it was so slow to start that they are nearly over. */
const startWithChaos = (
  url: string,
  seconds: number
): Effect.Effect<{ readonly service: Service; readonly until: Date }, unknown, Scope.Scope> =>
  Effect.gen(function* () {
    const until = new Date(Date.now() + seconds * 1000)
    const service = yield* start(url, yield* folder, {
      NODE_ENV: "staging",
      CHAOS_ENABLED: "true",
      CHAOS_FAILURE_RATE: "0.3",
      CHAOS_LATENCY_MS: "500",
      CHAOS_UNTIL: until.toISOString(),
      OPENING_SCALE: "15"
    })
    if (until.getTime() - Date.now() > 15_000) return { service, until }
    yield* service.stop("SIGKILL")
    return yield* startWithChaos(url, seconds * 2)
  })

describe("the order service on real sockets", { timeout: 300_000 }, () => {
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

  it.live("degrades while chaos is on, says what was injected, and is well again when the time is over", () =>
    Effect.gen(function* () {
      const town = yield* dependencies
      const { service, until } = yield* startWithChaos(town.url, 30)
      const page = send(`${service.url}/products/p1`)
      expect(yield* page).toMatchObject({ status: 503, body: { error: expect.stringContaining("not available") } })
      // Nearly a tenth of the orders finds payment failing twice.
      const orders = Effect.replicateEffect(post(service, one), 12, { concurrency: "unbounded" })
      const placed = yield* Effect.repeat(orders, { until: (answers) => answers.some(({ status }) => status === 202) })
      expect(placed.every(({ status }) => status === 201 || status === 202)).toBe(true)
      const printed = service.printed()
      expect(printed).toContain("chaos is on")
      expect(printed).toContain("FaultInjected payment: fault of charge")

      yield* inPeace(`${service.url}/products/p1`)
      expect(Date.now()).toBeGreaterThanOrEqual(until.getTime())
      yield* Effect.forEach(placed, ({ location }) => confirmed(service, location))
      expect([...town.charges.values()].filter((keys) => keys.size !== 1)).toEqual([])
      expect(yield* service.stop("SIGTERM")).toBe(0)
    }).pipe(Effect.scoped)
  )

  it.live("does not start with chaos where it is not said to be for tests or staging", () =>
    Effect.gen(function* () {
      const town = yield* dependencies
      const exit = yield* Effect.exit(start(town.url, yield* folder, { CHAOS_ENABLED: "true" }))
      expect(Exit.isFailure(exit) && String(exit.cause)).toContain("NODE_ENV is not set")
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
