/**
 * A response as the caller gets it: that of the client, with a body that holds what was taken for it until it has ended.
 */
import {
  type Cookies,
  type Headers,
  HttpClientError,
  type HttpClientRequest,
  HttpClientResponse,
  HttpIncomingMessage,
  UrlParams
} from "@effect/platform"
import type { Outcome } from "@effect-resilience/core"
import { Effect, type Option, Predicate, type Stream } from "effect"
import * as Content from "./Content.js"
import { HeldBody, type Holdings, type Read } from "./HeldBody.js"
import type { Promised } from "./Source.js"

const asText: Promised<string> = { read: (source) => source.text(), content: Content.ofText }
const asBytes: Promised<ArrayBuffer> = {
  read: (source) => source.arrayBuffer(),
  content: (body) => Content.ofBytes(new Uint8Array(body))
}

export class HeldResponse extends HeldBody implements HttpClientResponse.HttpClientResponse {
  constructor(
    original: HttpClientResponse.HttpClientResponse,
    headers: Headers.Headers,
    holds: Holdings,
    readonly outcome: Outcome.Outcome
  ) {
    super(original, headers, holds)
  }

  get [HttpClientResponse.TypeId](): HttpClientResponse.TypeId {
    return HttpClientResponse.TypeId
  }
  get [HttpIncomingMessage.TypeId](): HttpIncomingMessage.TypeId {
    return HttpIncomingMessage.TypeId
  }
  get request(): HttpClientRequest.HttpClientRequest {
    return this.original.request
  }
  get status(): number {
    return this.original.status
  }
  get cookies(): Cookies.Cookies {
    return this.original.cookies
  }
  get remoteAddress(): Option.Option<string> {
    return this.original.remoteAddress
  }

  get text(): Read<string> {
    const quick = () => Effect.map(this.original.text, Content.ofText)
    return Effect.map(this.read(asText, quick), ({ text }) => text())
  }
  get json(): Read<unknown> {
    return this.decoded((body): unknown => (body === "" ? null : JSON.parse(body)))
  }
  get urlParamsBody(): Read<UrlParams.UrlParams> {
    return this.decoded((body) => UrlParams.fromInput(new URLSearchParams(body)))
  }
  get arrayBuffer(): Read<ArrayBuffer> {
    const quick = () => Effect.map(this.original.arrayBuffer, (body) => Content.ofBytes(new Uint8Array(body)))
    return Effect.map(this.read(asBytes, quick), ({ bytes }) => new Uint8Array(bytes()).buffer)
  }
  get formData(): Read<FormData> {
    const type = this.headers["content-type"]
    const headers = type === undefined ? {} : { "content-type": type }
    return Effect.flatMap(this.arrayBuffer, (body) =>
      Effect.tryPromise({
        try: () => new Response(body, { headers }).formData(),
        catch: (cause) => this.failed(cause)
      })
    )
  }
  get stream(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return this.chunks
  }

  toJSON(): unknown {
    return { _id: "@effect/platform/HttpClientResponse", request: this.request.toJSON(), status: this.status }
  }

  private decoded<A>(decode: (body: string) => A): Read<A> {
    return Effect.tryMap(this.text, { try: decode, catch: (cause) => this.failed(cause) })
  }

  protected failed(cause: unknown, description?: string): HttpClientError.ResponseError {
    const what = { request: this.request, response: this, reason: "Decode", cause } as const
    return new HttpClientError.ResponseError(Predicate.isUndefined(description) ? what : { ...what, description })
  }
}
