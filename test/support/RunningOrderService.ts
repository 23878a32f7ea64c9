/**
 * The order service as a process of its own, on real sockets, over dependencies that are one server in the test's process.
 */
import { Data, Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Http from "node:http"
import * as Os from "node:os"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { listening } from "./Loopback.js"

const main = fileURLToPath(new URL("../../examples/order-service/src/main.ts", import.meta.url))

/** How it is run where nobody says otherwise: from its sources. */
const fromSources: ReadonlyArray<string> = ["--import", "tsx", main]

class Unexpected extends Data.TaggedError("Unexpected")<{ readonly what: string }> {
  override get message() {
    return this.what
  }
}

/** Lets a request of a dependency, `POST /charges` for instance, be answered, at once or when it is its turn. */
type Turn = (request: string, id: string | undefined, answer: () => void) => void

/** All dependencies behind one port: enough of the agreed answers for orders, and payment that can be switched off. */
export const dependenciesInTurn = (turn: Turn) =>
  Effect.gen(function* () {
    const charges = new Map<string, Set<string>>()
    // `says`: what payment answers in place of what it should.
    const town: { paymentIsOut: boolean; attempts: number; says?: readonly [status: number, body: unknown] } = {
      paymentIsOut: false,
      attempts: 0
    }
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
          if (town.says !== undefined) return town.says
          const key = String(request.headers["idempotency-key"])
          charges.set(orderId, (charges.get(orderId) ?? new Set()).add(key))
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
        const [, resource, id] = (request.url ?? "").split("/")
        turn(`${request.method} /${resource}`, id, () => {
          const [status, content] = answer(request, body)
          response.writeHead(status, { "content-type": "application/json" })
          response.end(content === undefined ? undefined : JSON.stringify(content))
        })
      })
    })
    return Object.assign(town, { charges, url: yield* listening(server) })
  })

/** The same, all at once. */
export const dependencies = dependenciesInTurn((_request, _id, answer) => answer())

export const folder = Effect.acquireRelease(
  Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "order-service-"))),
  (path) => Effect.promise(() => Fs.rm(path, { recursive: true, force: true }))
)

export interface Service {
  readonly url: string
  /** What it has printed until now. */
  readonly printed: () => string
  /** Sends a signal and waits until the process is gone; gives its exit code. */
  readonly stop: (signal: NodeJS.Signals) => Effect.Effect<number | null>
}

const exited = (child: ChildProcess) =>
  Effect.async<number | null>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) resume(Effect.succeed(child.exitCode))
    else child.once("exit", (code) => resume(Effect.succeed(code)))
  })

export const environment = (url: string, dataDir: string, port: string): ReadonlyMap<string, string> => {
  const names = ["INVENTORY", "PAYMENT", "NOTIFICATION", "PRODUCT", "PRICING", "REVIEWS", "RECOMMENDATIONS"]
  return new Map([
    ...names.map((name) => [`${name}_URL`, url] as const),
    ["DATA_DIR", dataDir],
    ["PORT", port],
    ["DRAIN_PRE_STOP_DELAY", "0 seconds"]
  ])
}

const launch = (
  url: string,
  dataDir: string,
  settings: Readonly<Record<string, string>>,
  program: ReadonlyArray<string>
) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, program, {
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

export const start = (
  url: string,
  dataDir: string,
  settings: Readonly<Record<string, string>> = {},
  program: ReadonlyArray<string> = fromSources
): Effect.Effect<Service, Unexpected, Scope.Scope> =>
  Effect.gen(function* () {
    const child = yield* launch(url, dataDir, settings, program)
    let said = ""
    const address = yield* Effect.async<string, Unexpected>((resume) => {
      child.stderr?.on("data", (chunk) => (said += chunk))
      child.stdout?.on("data", (chunk) => {
        said += chunk
        const told = /listening on (http:\S+)/.exec(said)?.[1]
        if (told !== undefined) resume(Effect.succeed(told))
      })
      child.once("exit", () => resume(new Unexpected({ what: said })))
    })
    return {
      url: address,
      printed: () => said,
      stop: (signal) =>
        Effect.zipRight(
          Effect.sync(() => child.kill(signal)),
          exited(child)
        )
    }
  })
