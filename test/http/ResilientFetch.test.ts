/** The same pipeline behind the signature of `fetch`. */
import { Backoff } from "@effect-resilience/core"
import { ResilientFetch } from "@effect-resilience/http"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"

interface Asked {
  readonly url: string
  readonly init: RequestInit
}

const at = "http://a.example/x"
const retry = { maxRetries: 2, backoff: Backoff.constant("1 millis") }

/** A `fetch` that answers as it is told, and what it was asked. */
const told = (options: ResilientFetch.Options, ...answers: ReadonlyArray<() => Response | Error | undefined>) =>
  Effect.gen(function* () {
    const asked: Array<Asked> = []
    const fetch = yield* ResilientFetch.make("a", {
      retry,
      ...options,
      fetch: async (url, init) => {
        const n = asked.push({ url: url.href, init }) - 1
        const answer = (answers[Math.min(n, answers.length - 1)] ?? (() => new Response("ok")))()
        if (answer instanceof Error) throw answer
        return (
          answer ??
          new Promise<Response>((_, reject) =>
            init.signal?.addEventListener("abort", () => reject(init.signal?.reason))
          )
        )
      }
    })
    return { asked, fetch }
  })

const status =
  (code: number, headers: Record<string, string> = {}, body = "") =>
  () =>
    new Response(body, { status: code, headers })
const failed = () => new TypeError("fetch failed", { cause: Object.assign(new Error("reset"), { code: "ECONNRESET" }) })

const headersOf = ({ init }: Asked) => new Headers(init.headers)

describe("a protected fetch", () => {
  it.scopedLive("answers as fetch does", () =>
    Effect.gen(function* () {
      const { asked, fetch } = yield* told({}, () => {
        const headers = new Headers({ "content-type": "application/json" })
        headers.append("set-cookie", "a=1")
        headers.append("set-cookie", "b=2")
        return new Response('{"a":1}', { status: 201, statusText: "Made", headers })
      })
      const sent = { method: "put", body: "text", headers: { "X-A": "1" }, keepalive: true }
      const response = yield* Effect.promise(() => fetch(new URL(at), sent))
      expect([response.status, response.statusText, response.ok, response.redirected]).toEqual([
        201,
        "Made",
        true,
        false
      ])
      expect(response.headers.getSetCookie()).toEqual(["a=1", "b=2"])
      expect(yield* Effect.promise(() => response.json())).toEqual({ a: 1 })
      expect(asked[0]).toMatchObject({
        url: at,
        init: { method: "PUT", body: "text", keepalive: true, redirect: "manual" }
      })
      expect(asked[0] && headersOf(asked[0]).get("x-a")).toBe("1")
    })
  )

  it.scopedLive("takes a Request, whose body is sent once", () =>
    Effect.gen(function* () {
      const { asked, fetch } = yield* told({}, status(503))
      const request = new Request(at, { method: "PUT", body: "text", headers: { "X-A": "1" } })
      expect((yield* Effect.promise(() => fetch(request))).status).toBe(503)
      expect(asked).toHaveLength(1)
      expect((yield* Effect.promise(() => fetch(new Request(at)))).status).toBe(503)
      expect(asked).toHaveLength(4)
    })
  )

  it.scopedLive("repeats by the same rules, and rejects with what fetch has failed with", () =>
    Effect.gen(function* () {
      const { asked, fetch } = yield* told({}, failed)
      const reason = (init?: ResilientFetch.Init) =>
        Effect.promise(() =>
          fetch(at, init).then(
            () => undefined,
            (error: unknown) => error
          )
        )
      expect(yield* reason({ method: "POST", body: "x" })).toMatchObject({ name: "TypeError", message: "fetch failed" })
      expect(asked).toHaveLength(1)
      yield* reason({ method: "POST", body: "x", headers: { "Idempotency-Key": "k-1" } })
      expect(asked.slice(1).map((one) => headersOf(one).get("idempotency-key"))).toEqual(["k-1", "k-1", "k-1"])
      yield* reason({ method: "POST", body: "x", resilience: { repeatable: true } })
      expect(asked).toHaveLength(7)
    })
  )

  it.scopedLive(
    "rejects with an error of the policy, with the reason of the signal, and for what cannot be asked",
    () =>
      Effect.gen(function* () {
        const { asked, fetch } = yield* told({ timeout: "20 millis" }, () => undefined)
        const reason = (url: string, init?: ResilientFetch.Init) =>
          Effect.promise(() =>
            fetch(url, init).then(
              () => undefined,
              (error: unknown) => error
            )
          )
        expect(yield* reason(at, { resilience: { repeatable: false } })).toMatchObject({
          _tag: "TimedOut",
          policy: "a http://a.example"
        })
        const signal = AbortSignal.abort("enough")
        expect(yield* reason(at, { signal })).toBe("enough")
        expect(yield* reason("http://")).toMatchObject({ name: "TypeError" })
        expect(yield* reason(at, { method: "PURGE" })).toMatchObject({ name: "TypeError" })
        expect(asked).toHaveLength(1)
      })
  )

  it.scopedLive("follows redirects, without what is confidential, unless told not to", () =>
    Effect.gen(function* () {
      const { asked, fetch } = yield* told(
        {},
        status(302, { location: "https://b.example/y" }),
        status(200, {}, "there")
      )
      const headers = { Authorization: "Bearer s3cret", "Idempotency-Key": "k-1", "X-A": "1" }
      const response = yield* Effect.promise(() => fetch(at, { method: "POST", body: "x", headers }))
      expect(yield* Effect.promise(() => response.text())).toBe("there")
      expect(asked[1]).toMatchObject({ url: "https://b.example/y", init: { method: "GET" } })
      expect(asked[1]?.init.body).toBe(undefined)
      expect(
        [...headersOf(asked[1] ?? { url: "", init: {} }).keys()].filter(
          (name) => name !== "b3" && name !== "traceparent"
        )
      ).toEqual(["x-a"])
      const manual = yield* told({}, status(302, { location: "https://b.example/y" }))
      expect((yield* Effect.promise(() => manual.fetch(at, { redirect: "manual" }))).status).toBe(302)
    })
  )

  it.scopedLive("rejects a redirect that is not to be followed, goes nowhere, or comes once too often", () =>
    Effect.gen(function* () {
      const away = status(302, { location: "https://b.example/y" }, "a body")
      const rejected = (f: ResilientFetch.ResilientFetch, init?: ResilientFetch.Init, input: string | Request = at) =>
        Effect.promise(() =>
          f(input, init).then(
            ({ status: code }) => code,
            (error: Error) => error.name
          )
        )
      const { asked, fetch } = yield* told({ bulkhead: { maxConcurrent: 1 } }, away)
      expect(yield* rejected(fetch, { redirect: "error" })).toBe("TypeError")
      expect(asked).toHaveLength(1)
      // Its permit is back.
      expect(yield* rejected(fetch)).toBe("TypeError")
      expect(asked).toHaveLength(22)
      expect(yield* rejected(fetch, {}, new Request(at, { redirect: "manual" }))).toBe(302)
      expect(asked).toHaveLength(23)
      const nowhere = yield* told({}, status(302, { location: "ftp://b.example/y" }))
      expect(yield* rejected(nowhere.fetch)).toBe("TypeError")
      const none = yield* told({}, status(302))
      expect(yield* rejected(none.fetch)).toBe(302)
    })
  )

  it.scopedLive("takes from a Request what is left undefined beside it", () =>
    Effect.gen(function* () {
      const { asked, fetch } = yield* told({}, status(200))
      const request = new Request(at, { method: "DELETE", headers: { "X-A": "1" } })
      const beside: Record<string, unknown> = { method: undefined, headers: undefined, signal: undefined }
      yield* Effect.promise(() => fetch(request, beside))
      expect(asked[0]?.init.method).toBe("DELETE")
      expect(asked[0] && headersOf(asked[0]).get("x-a")).toBe("1")
    })
  )

  it.scopedLive("holds no permit for a small body that nobody reads", () =>
    Effect.gen(function* () {
      const { fetch } = yield* told({ bulkhead: { maxConcurrent: 1, maxQueue: 1, maxWait: "5 seconds" } }, () => {
        return new Response("small", { headers: { "content-length": "5" } })
      })
      const first = yield* Effect.promise(() => fetch(at))
      expect((yield* Effect.promise(() => fetch(at))).status).toBe(200)
      expect(yield* Effect.promise(() => first.text())).toBe("small")
    })
  )

  it.scopedLive("holds no permit for a response that has no body", () =>
    Effect.gen(function* () {
      const { asked, fetch } = yield* told(
        { bulkhead: { maxConcurrent: 1 } },
        () => new Response(null, { status: 205 })
      )
      for (const _ of [1, 2, 3]) {
        const response = yield* Effect.promise(() => fetch(at))
        expect([response.status, response.body]).toEqual([205, null])
      }
      expect(asked).toHaveLength(3)
    })
  )

  it.scopedLive("holds its permit until the body has ended, or the signal ends it", () =>
    Effect.gen(function* () {
      const hanging = () =>
        new Response(new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1)) }))
      const { fetch } = yield* told({ bulkhead: { maxConcurrent: 1 } }, hanging)
      const controller = new AbortController()
      const first = yield* Effect.promise(() => fetch(at, { signal: controller.signal }))
      const tag = () =>
        Effect.promise(() =>
          fetch(at).then(
            () => "ok",
            (error: { _tag: string }) => error._tag
          )
        )
      expect(yield* tag()).toBe("BulkheadFull")
      const reading = first.text().catch((error: unknown) => error)
      controller.abort("enough")
      expect(yield* Effect.promise(() => reading)).toBe("enough")
      expect(yield* tag()).toBe("ok")
    })
  )
})
