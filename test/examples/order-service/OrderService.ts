/**
 * The order service under a test's own clock: the application's Layers over scripted dependencies, a journal in memory
 * and orders called `order-1`, `order-2`, ... Its routes are asked in the test's process, without a socket.
 */
import { PolicyRegistry, Telemetry } from "@effect-resilience/core"
import { Drain } from "@effect-resilience/observability"
import { HttpServerRequest, type HttpServerResponse } from "@effect/platform"
import { ConfigProvider, Effect, Layer } from "effect"
import * as App from "../../../examples/order-service/src/App.js"
import { OrderId } from "../../../examples/order-service/src/Domain.js"
import { JournalFailed, JournalFile } from "../../../examples/order-service/src/JournalFile.js"
import { OrderIds } from "../../../examples/order-service/src/OrderIds.js"
import * as Routes from "../../../examples/order-service/src/Routes.js"
import type { ScriptedDependencies } from "./ScriptedDependencies.js"

/** A journal that a test can read, break, and give to the next process. */
export interface Disk {
  text: string
  broken: boolean
}

export const disk = (text = ""): Disk => ({ text, broken: false })

const file = (on: Disk) =>
  Layer.sync(JournalFile, () => ({
    text: on.text,
    append: (lines: string) =>
      Effect.suspend(() => {
        if (on.broken) return new JournalFailed({ reason: "the disk is full" })
        on.text += lines
        return Effect.void
      })
  }))

const ids = Layer.sync(OrderIds, () => {
  let last = 0
  return { next: Effect.sync(() => OrderId.make(`order-${++last}`)) }
})

export interface Options {
  readonly disk?: Disk
  readonly policies?: keyof typeof App.services
  readonly settings?: Readonly<Record<string, string>>
  /** Hears what the policies report. */
  readonly publish?: (event: Telemetry.Event) => void
}

/** One process of the service; what a test puts into it ends with its scope. */
export const layer = (dependencies: ScriptedDependencies, options: Options = {}) =>
  App.services[options.policies ?? "on"].pipe(
    Layer.provide(Layer.mergeAll(dependencies.layer, file(options.disk ?? disk()), ids, Drain.layer())),
    Layer.provideMerge(Layer.merge(PolicyRegistry.layer, Telemetry.layer(options.publish ?? (() => undefined)))),
    Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(options.settings ?? {})))))
  )

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: unknown
}

const textOf = (response: HttpServerResponse.HttpServerResponse): string =>
  response.body._tag === "Uint8Array" ? new TextDecoder().decode(response.body.body) : ""

/** Asks a route. `body` goes out as JSON, a string as it is. */
export const ask = (
  method: string,
  path: string,
  body?: unknown,
  extra: Readonly<Record<string, string>> = {}
): Effect.Effect<Answer, never, Routes.Services> =>
  Effect.gen(function* () {
    const content = typeof body === "string" || body === undefined ? (body ?? null) : JSON.stringify(body)
    const headers: Record<string, string> =
      content === null ? extra : { ...extra, "content-length": String(new TextEncoder().encode(content).length) }
    const request = HttpServerRequest.fromWeb(
      new Request(`http://shop.test${path}`, { method, body: content, headers })
    )
    const response = yield* Effect.provideService(Routes.app, HttpServerRequest.HttpServerRequest, request)
    const text = textOf(response)
    const answer: Answer = {
      status: response.status,
      headers: response.headers,
      body: text === "" ? undefined : JSON.parse(text)
    }
    return answer
  }).pipe(Effect.scoped)

/** Places an order for one of product p1. */
export const order = (change: Readonly<Record<string, unknown>> = {}): Effect.Effect<Answer, never, Routes.Services> =>
  ask("POST", "/orders", { productId: "p1", quantity: 1, amountCents: 1010, ...change })
