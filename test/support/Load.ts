/**
 * Load in an open loop: who comes when is settled before, and nobody waits for an answer to anybody else. What the process
 * that makes it (`load-generator.ts`) is told, and what it tells.
 */
import { Schema } from "effect"

/** Requests of one kind, at random distances. */
const Stream = Schema.Struct({
  kind: Schema.String,
  method: Schema.Literal("GET", "POST"),
  /** One is chosen for each request, in turn. */
  paths: Schema.NonEmptyArray(Schema.String),
  body: Schema.optional(Schema.String),
  apiKey: Schema.optional(Schema.String),
  perSecond: Schema.Positive,
  /** From when on, and until when, in milliseconds. */
  from: Schema.Number,
  until: Schema.Number
})
export type Stream = typeof Stream.Type

export const Plan = Schema.Struct({ target: Schema.String, seed: Schema.Int, streams: Schema.Array(Stream) })
export type Plan = typeof Plan.Type

/** What became of a request. */
const Sent = Schema.Struct({
  kind: Schema.String,
  /** When it was due, in milliseconds. */
  at: Schema.Number,
  /** How much later it was sent. */
  lateMillis: Schema.Number,
  /** From when it was due to the end of the answer. */
  tookMillis: Schema.Number,
  /** 0 where there was no answer. */
  status: Schema.Number,
  headers: Schema.Record({ key: Schema.String, value: Schema.String }),
  body: Schema.String
})
export type Sent = typeof Sent.Type

export const Report = Schema.parseJson(Schema.Array(Sent))

/** What is not exceeded by a share `q` of the values; 0 where there are none. */
export const quantile = (values: ReadonlyArray<number>, q: number): number =>
  values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(values.length * q) - 1)] ?? 0
