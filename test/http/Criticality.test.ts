/** How much requests matter: by their routes, by what trusted callers say, and as it is told to others. */
import { Backoff, Criticality, InvalidOptions } from "@effect-resilience/core"
import { CriticalityHeader, ResilientHttpClient, RouteCriticality, ServerMiddleware } from "@effect-resilience/http"
import { HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit } from "effect"
import { ask, type Asking } from "../support/Asked.js"
import { ScriptedClient } from "../support/ScriptedClient.js"

const trusted = ["10.0.0.1"]
const at = "https://stock.example/items?shelf=7"
const origins = ["https://stock.example"]
const sending = (value: string, from = "10.0.0.1"): Asking => ({ headers: { "x-request-criticality": value }, from })

describe("a table of routes", () => {
  const routes: ReadonlyArray<RouteCriticality.Route> = [
    ["POST /orders", "CRITICAL_PLUS"],
    ["GET /orders/export", "SHEDDABLE_PLUS"],
    ["/recommendations/*", "SHEDDABLE"],
    ["/orders/:id", "CRITICAL"]
  ]
  const of = (classify: RouteCriticality.Classify, method: "GET" | "POST", originalUrl: string) =>
    classify({ method, originalUrl })

  it("says what a request is by the first that fits, and CRITICAL of all others", () => {
    const classify = RouteCriticality.table(routes)
    expect(of(classify, "POST", "/orders")).toBe("CRITICAL_PLUS")
    expect(of(classify, "GET", "/orders")).toBe("CRITICAL")
    expect(of(classify, "GET", "/orders/export")).toBe("SHEDDABLE_PLUS")
    expect(of(classify, "POST", "/orders/export")).toBe("CRITICAL")
    expect(of(classify, "GET", "/Recommendations/7?a=1")).toBe("SHEDDABLE")
    expect(of(RouteCriticality.table(routes, "SHEDDABLE"), "GET", "/nowhere")).toBe("SHEDDABLE")
  })

  it("is refused where it cannot be meant, all at once", () => {
    const odd: Record<string, Criticality.Criticality> = JSON.parse('{ "urgent": "URGENT", "must": "MUST" }')
    const { must = "CRITICAL", urgent = "CRITICAL" } = odd
    const rows: ReadonlyArray<RouteCriticality.Route> = [
      ["orders", "CRITICAL"],
      ["/a", urgent]
    ]
    const wrong = () => RouteCriticality.table(rows, must)
    expect(wrong).toThrow(InvalidOptions.InvalidOptions)
    expect(wrong).toThrow(/URGENT.*MUST.*orders/)
  })
})

describe("the class of a request", () => {
  const current = Effect.map(Criticality.current, (of) => HttpServerResponse.text(of))
  const routes: ReadonlyArray<RouteCriticality.Route> = [["/recommendations", "SHEDDABLE"]]

  it.effect("is what a trusted caller says, and for all others that of its route", () =>
    Effect.gen(function* () {
      const app = current.pipe(ServerMiddleware.criticality({ routes, trusted }))
      const of = (asking: Asking) => Effect.map(ask(app, asking), ({ body }) => body)
      const path = "/recommendations"
      expect(yield* of({ path })).toBe("SHEDDABLE")
      expect(yield* of({ path: "/orders" })).toBe("CRITICAL")
      expect(yield* of({ path, ...sending("CRITICAL_PLUS") })).toBe("CRITICAL_PLUS")
      expect(yield* of({ path, ...sending("critical-plus") })).toBe("CRITICAL_PLUS")
      expect(yield* of({ ...sending("SHEDDABLE_PLUS") })).toBe("SHEDDABLE_PLUS")
      expect(yield* of({ path, ...sending("CRITICAL_PLUS", "10.0.0.2") })).toBe("SHEDDABLE")
      for (const odd of ["", "MUST", "CRITICAL_PLUS, CRITICAL_PLUS", "4"])
        expect(yield* of({ path, ...sending(odd) }), odd).toBe("SHEDDABLE")
    })
  )

  it.effect("is nobody's to say by default", () =>
    Effect.gen(function* () {
      const app = current.pipe(ServerMiddleware.criticality({ routes: RouteCriticality.table(routes) }))
      expect((yield* ask(app, { path: "/recommendations", ...sending("CRITICAL_PLUS") })).body).toBe("SHEDDABLE")
    })
  )

  it("is read from a request by itself, too", () => {
    const request = HttpServerRequest.fromWeb(new Request(at, { headers: { "x-request-criticality": "SHEDDABLE" } }))
    const read = (remoteAddress: string) =>
      CriticalityHeader.receive("orders", { trusted: ["10.0.0.0/8"] })(request.modify({ remoteAddress }))._tag
    expect([read("10.7.7.7"), read("11.0.0.1")]).toEqual(["Some", "None"])
    expect(() => CriticalityHeader.receive("orders", { trusted: ["orders"] })).toThrow(InvalidOptions.InvalidOptions)
  })
})

describe("a client that tells how much its requests matter", () => {
  const sentBy = ({ requests }: ScriptedClient) => requests.map(({ headers }) => headers["x-request-criticality"])

  it.scoped("tells the origins that were named, in every attempt, and takes it from what goes elsewhere", () =>
    Effect.gen(function* () {
      const moved = { status: 307, headers: { location: "https://b.example/y" } }
      const scripted = new ScriptedClient({ status: 503, headers: { "retry-after": "0" } }, {}, moved, {})
      const client = yield* ResilientHttpClient.protect(scripted.client, "a", {
        maxRedirects: 1,
        retry: { maxRetries: 1, backoff: Backoff.constant(0) },
        criticalityHeader: { origins }
      })
      const asking = client.get(at, { headers: { "x-request-criticality": "CRITICAL_PLUS" } })
      yield* client.get(at).pipe(Criticality.withClass("SHEDDABLE"))
      yield* asking
      expect(sentBy(scripted)).toEqual(["SHEDDABLE", "SHEDDABLE", "CRITICAL", undefined])
    })
  )

  it.effect("without policies does the same", () =>
    Effect.gen(function* () {
      const scripted = new ScriptedClient({})
      const client = CriticalityHeader.client(scripted.client, { origins: (url) => url.hostname === "stock.example" })
      yield* client.get(at).pipe(Criticality.withClass("SHEDDABLE_PLUS"))
      yield* client.get("https://b.example", { headers: { "x-request-criticality": "SHEDDABLE" } })
      expect(sentBy(scripted)).toEqual(["SHEDDABLE_PLUS", undefined])
      expect(scripted.requests[0]?.url).toBe(at)
    })
  )

  it.effect("dies of an origin that is none", () =>
    Effect.gen(function* () {
      const { client } = new ScriptedClient({})
      const making = ResilientHttpClient.protect(client, "a", { criticalityHeader: { origins: ["a.example/x"] } })
      const exit = yield* Effect.exit(Effect.scoped(making))
      expect(Exit.isFailure(exit) && Cause.squash(exit.cause)).toMatchObject({
        problems: [{ option: "criticalityHeader.origins" }]
      })
      expect(() => CriticalityHeader.client(client, { origins: ["a.example/x"] })).toThrow(
        InvalidOptions.InvalidOptions
      )
    })
  )
})
