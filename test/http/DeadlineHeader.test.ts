import { Backoff, Deadline, InvalidOptions } from "@effect-resilience/core"
import { DeadlineHeader, ResilientHttpClient } from "@effect-resilience/http"
import {
  Headers,
  HttpBody,
  HttpClient,
  HttpClientRequest,
  HttpClientResponse,
  HttpServerResponse
} from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Option, TestClock } from "effect"
import { ask, type Asking } from "../support/Asked.js"
import { heard } from "../support/Play.js"
import { ScriptedClient } from "../support/ScriptedClient.js"

const parsed = (headers: Record<string, string>) => {
  const { malformed, millis } = DeadlineHeader.parse(Headers.fromInput(headers))
  return malformed.length > 0 ? malformed : Option.getOrUndefined(millis)
}
const grpc = (value: string) => parsed({ "grpc-timeout": value })
const own = (value: string) => parsed({ "x-request-timeout-ms": value })

const request = HttpClientRequest.get("https://stock.example/items?shelf=7")
const origins = ["https://stock.example"]

describe("reading a deadline from headers", () => {
  it("takes milliseconds, and all of gRPC's units rounded down", () => {
    expect([own("0"), own("850"), own(" 850 ")]).toEqual([0, 850, 850])
    expect(parsed({ "x-envoy-expected-rq-timeout-ms": "15000" })).toBe(15_000)
    expect(["2H", "2M", "2S", "2m", "2999u", "2999999n"].map(grpc)).toEqual([7_200_000, 120_000, 2_000, 2, 2, 2])
    expect([grpc("99999999S"), grpc("0m"), grpc("999u")]).toEqual([99_999_999_000, 0, 0])
  })

  it("says of everything else that it cannot be read", () => {
    const odd = [
      "",
      "soon",
      "-1",
      "+1",
      "1.5",
      "1e3",
      "0x10",
      "1, 2",
      "100, 100",
      "1 000",
      "Infinity",
      "1S",
      "9".repeat(16)
    ]
    for (const value of odd) expect(own(value), value).toEqual(["x-request-timeout-ms"])
    for (const value of ["", "S", "1", "1s", "1h", "-1S", "1.5S", "123456789S", "1S2m", "1 S", "S1"])
      expect(grpc(value), value).toEqual(["grpc-timeout"])
  })

  it("takes the shortest of several, and those that can be read where others cannot", () => {
    const several = { "x-request-timeout-ms": "800", "grpc-timeout": "2S", "x-envoy-expected-rq-timeout-ms": "300" }
    expect(parsed(several)).toBe(300)
    expect(DeadlineHeader.parse(Headers.fromInput({ ...several, "x-envoy-expected-rq-timeout-ms": "?" }))).toEqual({
      millis: Option.some(800),
      malformed: ["x-envoy-expected-rq-timeout-ms"]
    })
    expect(parsed({})).toBeUndefined()
  })
})

describe("sending a deadline", () => {
  const sent = (send: DeadlineHeader.Send, timeoutMillis?: number, of = request) =>
    Effect.map(send(of, timeoutMillis), ({ headers }) => headers["x-request-timeout-ms"])

  it.effect("sends the shorter of attempt and budget, less the margin, as it is when the attempt begins", () =>
    Effect.gen(function* () {
      const send = DeadlineHeader.send({ origins, margin: "20 millis" })
      const values = yield* Effect.gen(function* () {
        const first = yield* sent(send, 600)
        yield* TestClock.adjust("500 millis")
        const second = yield* sent(send, 600)
        yield* TestClock.adjust("490 millis")
        return [first, second, yield* sent(send, 600), yield* sent(send)]
      }).pipe(Deadline.protect("1 second"))
      expect(values).toEqual(["580", "480", "0", "0"])
      expect(yield* sent(send, 600)).toBe("580")
      expect(yield* sent(send)).toBeUndefined()
      expect(yield* sent(DeadlineHeader.send({ origins }), 600)).toBe("595")
      expect(yield* sent(DeadlineHeader.send({ origins, margin: 0 }), 600)).toBe("600")
    })
  )

  it.effect("sends it to the origins that are named and to no other", () =>
    Effect.gen(function* () {
      const urls = [
        "https://stock.example/a",
        "https://STOCK.example:443",
        "http://stock.example/",
        "https://stock.example:8443/",
        "https://stock.example.evil.example/",
        "https://evil.example/?https://stock.example",
        "/relative"
      ]
      const to = (send: DeadlineHeader.Send) =>
        Effect.forEach(urls, (url) =>
          Effect.map(sent(send, 600, HttpClientRequest.get(url)), (value) => value !== undefined)
        )
      const first = [true, true, false, false, false, false, false]
      expect(yield* to(DeadlineHeader.send({ origins }))).toEqual(first)
      expect(yield* to(DeadlineHeader.send({ origins: [] }))).toEqual(first.map(() => false))
      expect(yield* to(DeadlineHeader.send({ origins: (url) => url.port === "8443" }))).toEqual(
        urls.map((url) => url.includes("8443"))
      )
    })
  )

  it.effect("takes it from a request to another origin that brought it along, and nothing else", () =>
    Effect.gen(function* () {
      const full = HttpClientRequest.post("https://other.example/a?b=1").pipe(
        HttpClientRequest.setHash("c"),
        HttpClientRequest.setUrlParam("d", "2"),
        HttpClientRequest.setHeaders({ authorization: "kept", "x-request-timeout-ms": "900" }),
        HttpClientRequest.setBody(HttpBody.text("body", "text/x"))
      )
      const bare = yield* DeadlineHeader.send({ origins })(full, 600)
      const { headers, ...rest } = full
      expect({ ...bare, headers: { ...bare.headers } }).toEqual({
        ...rest,
        headers: { authorization: "kept", "content-type": headers["content-type"], "content-length": "4" }
      })
      expect(Object.keys(headers)).toContain("x-request-timeout-ms")
    })
  )

  it.effect("does so for every request of a client, with the client's own limit", () =>
    Effect.gen(function* () {
      const arrived: Array<string | undefined> = []
      const bare = HttpClient.make((each) =>
        Effect.sync(() => {
          arrived.push(each.headers["x-request-timeout-ms"])
          return HttpClientResponse.fromWeb(each, new Response())
        })
      )
      const client = DeadlineHeader.client(bare, { origins, timeout: "700 millis" })
      yield* client.execute(request)
      yield* client.execute(request).pipe(Deadline.protect("500 millis"))
      yield* client.get("https://other.example")
      yield* DeadlineHeader.client(bare, { origins }).execute(request)
      expect(arrived).toEqual(["695", "495", undefined, undefined])
    })
  )

  it.scoped("does so for every attempt of a protected client, by its own limits, at the origins that are named", () =>
    Effect.gen(function* () {
      const late = { status: 503, after: Effect.sleep("400 millis") }
      const scripted = new ScriptedClient(late, { status: 200 })
      const client = yield* ResilientHttpClient.protect(scripted.client, "stock", {
        timeout: "900 millis",
        deadline: "1 second",
        retry: { maxRetries: 1, backoff: Backoff.constant("100 millis") },
        deadlineHeader: { origins }
      })
      const carried = () => scripted.requests.splice(0).map(({ headers }) => headers["x-request-timeout-ms"])
      const call = yield* Effect.fork(client.execute(request))
      yield* TestClock.adjust("600 millis")
      yield* Fiber.join(call)
      expect(carried()).toEqual(["895", "495"])
      yield* client.execute(request).pipe(Deadline.protect("300 millis"))
      yield* client.execute(request).pipe(ResilientHttpClient.override({ timeout: "200 millis" }))
      yield* client.get("https://other.example", { headers: { "x-request-timeout-ms": "1" } })
      expect(carried()).toEqual(["295", "195", undefined])
    })
  )

  it("refuses options that cannot be meant", () => {
    const problems = (make: () => unknown) => {
      try {
        make()
        return undefined
      } catch (error) {
        return error instanceof InvalidOptions.InvalidOptions ? error.problems.map(({ option }) => option) : error
      }
    }
    for (const origin of [
      "stock.example",
      "https://stock.example/items",
      "data:x",
      "foo://stock.example/",
      "https://u@stock.example",
      ""
    ])
      expect(
        problems(() => DeadlineHeader.send({ origins: [origin] })),
        origin
      ).toEqual(["origins"])
    expect(problems(() => DeadlineHeader.send({ origins: ["x"], margin: -1 }))).toEqual(["origins", "margin"])
    expect(problems(() => DeadlineHeader.client(HttpClient.make(Effect.die), { origins, timeout: 0 }))).toEqual([
      "timeout"
    ])
    expect(problems(() => DeadlineHeader.send({ origins: ["https://stock.example/"], margin: 0 }))).toBeUndefined()
  })

  it.effect("knows when an answer came after the deadline that its request carried", () =>
    Effect.gen(function* () {
      const carrying = yield* DeadlineHeader.send({ origins, margin: 0 })(request, 100)
      expect([98, 99, 5000].map((elapsed) => DeadlineHeader.isOver(carrying, elapsed))).toEqual([false, true, true])
      expect(DeadlineHeader.isOver(request, 5000)).toBe(false)
    })
  )
})

describe("receiving a deadline", () => {
  const headers = { "x-request-timeout-ms": "800", "grpc-timeout": "5x" }
  const received = (options: DeadlineHeader.ReceiveOptions, asking: Asking = {}) =>
    heard(
      ask(
        Effect.map(DeadlineHeader.receive("orders", options), (millis) => HttpServerResponse.text(String(millis))),
        { headers, ...asking }
      )
    ).pipe(Effect.map(([{ body }, events]) => [body, events.length] as const))

  it.effect("looks at nothing that comes from a caller who is not named, and by default at nobody's", () =>
    Effect.gen(function* () {
      expect(yield* received({})).toEqual(["Infinity", 0])
      expect(yield* received({ trusted: [] })).toEqual(["Infinity", 0])
      expect(yield* received({ trusted: ["10.0.0.7"] })).toEqual(["Infinity", 0])
      expect(yield* received({ trusted: () => false })).toEqual(["Infinity", 0])
    })
  )

  it.effect("believes who is named, by address or by a predicate", () =>
    Effect.gen(function* () {
      expect(yield* received({ trusted: ["10.0.0.7", "10.0.0.1"] })).toEqual(["800", 1])
      expect(yield* received({ trusted: ["10.0.0.1"] }, { from: "::ffff:10.0.0.1" })).toEqual(["800", 1])
      expect(yield* received({ trusted: ["10.0.0.1"] }, { from: "::ffff:10.0.0.11" })).toEqual(["Infinity", 0])
      expect(yield* received({ trusted: ({ url }) => url === "/inside" }, { path: "/inside" })).toEqual(["800", 1])
      expect(yield* received({ trusted: ["10.0.0.1"] }, { headers: {} })).toEqual(["Infinity", 0])
    })
  )

  it.effect("believes who is in a range that is named, of either kind, to its last address and no further", () =>
    Effect.gen(function* () {
      const isIn = (range: string, from: string) =>
        Effect.map(received({ trusted: [range] }, { from }), ([millis]) => millis === "800")
      const rows: ReadonlyArray<
        readonly [range: string, inside: ReadonlyArray<string>, outside: ReadonlyArray<string>]
      > = [
        ["10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"], ["9.255.255.255", "11.0.0.0", "::10.0.0.1"]],
        ["10.1.2.77/30", ["10.1.2.76", "10.1.2.79"], ["10.1.2.75", "10.1.2.80"]],
        ["::ffff:10.1.2.3", ["10.1.2.3"], ["10.1.2.4"]],
        [
          "0.0.0.0/0",
          ["203.0.113.9", "::ffff:1.2.3.4"],
          ["2001:db8::1", "localhost", "", "1.2.3", "01.2.3.4", "1.2.3.256"]
        ],
        ["2001:db8::/33", ["2001:DB8:0:0::1", "2001:db8:7fff::"], ["2001:db8:8000::", "2001:db9::"]],
        [
          "fe80::1",
          ["fe80:0:0:0:0:0:0:1"],
          ["fe80::2", "fe80::1%eth0", "fe80::1::", "fe80:1", "0:fe80::0:0:0:0:0:0:1"]
        ],
        ["::/0", ["::", "::1"], ["127.0.0.1", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::"]]
      ]
      for (const [range, inside, outside] of rows) {
        for (const from of inside) expect([range, from, yield* isIn(range, from)]).toEqual([range, from, true])
        for (const from of outside) expect([range, from, yield* isIn(range, from)]).toEqual([range, from, false])
      }
    })
  )

  it("dies of what is neither an address nor a range", () => {
    for (const odd of ["", "localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "10/8", "::/129", "*", "::1/-1"]) {
      const asked = () => DeadlineHeader.receive("orders", { trusted: ["10.0.0.1", odd] })
      expect(asked, odd).toThrow(
        `Invalid options for "orders": trusted is ${JSON.stringify(odd)}, but must be an address`
      )
    }
  })

  it.effect("reports what cannot be read, without its value", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("3 seconds")
      const odd = { "x-request-timeout-ms": "s3cret", "x-envoy-expected-rq-timeout-ms": "-1" }
      const app = Effect.map(DeadlineHeader.receive("orders", { trusted: () => true }), (millis) =>
        HttpServerResponse.text(String(millis))
      )
      const [{ body }, events] = yield* heard(ask(app, { headers: odd }))
      expect(body).toBe("Infinity")
      expect(events).toEqual(
        Object.keys(odd).map((header) => ({ _tag: "DeadlineHeaderIgnored", policy: "orders", at: 3000, header }))
      )
    })
  )
})
