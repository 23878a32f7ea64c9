/** Redirects: followed only where asked, and nothing confidential leaves its origin. */
import { ResilientHttpClient } from "@effect-resilience/http"
import { HttpBody, HttpClientRequest } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { type Answer, ScriptedClient } from "../support/ScriptedClient.js"

const secrets = {
  Authorization: "Bearer s3cret",
  Cookie: "id=1",
  "Proxy-Authorization": "Basic s3cret",
  "X-API-Key": "s3cret",
  "Idempotency-Key": "k-1"
}

const to = (location: string, status = 307): Answer => ({ status, headers: { location } })

const followed = (request: HttpClientRequest.HttpClientRequest, maxRedirects: number, ...script: Array<Answer>) =>
  Effect.gen(function* () {
    const scripted = new ScriptedClient(...script)
    const client = yield* ResilientHttpClient.protect(scripted.client, "a", { maxRedirects })
    const { status } = yield* client.execute(request)
    return { status, requests: scripted.requests, open: scripted.open.size }
  })

const charge = HttpClientRequest.post("https://a.example/x?q=1").pipe(
  HttpClientRequest.setHeaders(secrets),
  HttpClientRequest.bodyText("body", "text/plain")
)

const confidential = ["authorization", "cookie", "proxy-authorization", "x-api-key", "idempotency-key"]
const carried = ({ headers }: HttpClientRequest.HttpClientRequest) => confidential.filter((name) => name in headers)

describe("a redirect", () => {
  it.scoped("is the caller's answer unless redirects are to be followed, so many at most", () =>
    Effect.gen(function* () {
      const unasked = yield* followed(charge, 0, to("/y"), {})
      expect([unasked.status, unasked.requests.length]).toEqual([307, 1])
      const round = yield* followed(charge, 3, to("/y"))
      expect([round.status, round.requests.length, round.open]).toEqual([307, 4, 0])
    })
  )

  it.scoped("within its origin is the same request again", () =>
    Effect.gen(function* () {
      const { requests, status } = yield* followed(charge, 5, to("/y?z=2#f"), {})
      expect([status, requests.length]).toEqual([200, 2])
      expect(requests[1]).toMatchObject({ method: "POST", url: "https://a.example/y", body: { _tag: "Uint8Array" } })
      expect([...(requests[1]?.urlParams ?? [])]).toEqual([["z", "2"]])
      expect(requests.map(carried)).toEqual([confidential, confidential])
    })
  )

  it.scoped("to another origin carries neither credentials nor key, nor does what follows", () =>
    Effect.gen(function* () {
      const others = ["http://a.example/x", "https://a.example:8443/x", "https://b.example/x", "//b.example/x"]
      for (const other of others) {
        const { requests } = yield* followed(charge, 5, to(other), to("https://a.example/z"), {})
        expect([other, requests.map(carried)]).toEqual([other, [confidential, [], []]])
        expect(requests[1]?.headers["content-type"]).toBe("text/plain")
      }
    })
  )

  it.scoped("becomes a GET without a body where it asks for one", () =>
    Effect.gen(function* () {
      for (const [status, method] of [
        [301, "GET"],
        [302, "GET"],
        [303, "GET"],
        [307, "POST"],
        [308, "POST"]
      ] as const) {
        const { requests } = yield* followed(charge, 5, to("/y", status), {})
        expect([status, requests[1]?.method]).toEqual([status, method])
        expect(requests[1]?.body._tag).toBe(method === "GET" ? "Empty" : "Uint8Array")
        expect("content-type" in (requests[1]?.headers ?? {})).toBe(method === "POST")
      }
      const head = yield* followed(HttpClientRequest.head("https://a.example/x"), 5, to("/y", 303), {})
      expect(head.requests[1]?.method).toBe("HEAD")
    })
  )

  it.scoped("is not followed to where nobody can go, nor with a body that cannot be sent again", () =>
    Effect.gen(function* () {
      for (const nowhere of ["http://", "ftp://a.example/x", "javascript:alert(1)"]) {
        expect((yield* followed(charge, 5, to(nowhere), {})).requests).toHaveLength(1)
      }
      const streamed = HttpClientRequest.setBody(charge, HttpBody.stream(Stream.make(new Uint8Array(1))))
      expect((yield* followed(streamed, 5, to("/y"), {})).requests).toHaveLength(1)
    })
  )
})
