/** What the server under test and the load generator say to the demo, and hear from it, over their IPC channels. */
import { Schema } from "effect"

/** The demo's three runs. */
export const Mode = Schema.Literal("off", "timeouts", "on")
export type Mode = typeof Mode.Type

/** What became of one arrival, judged by the client. Times are milliseconds from the timeline's zero. */
export const Outcome = Schema.Struct({
  kind: Schema.Literal("page", "order"),
  at: Schema.Number,
  /** How much later than intended it was really sent. */
  slipMillis: Schema.Number,
  /** From the intended start; the client's limit when there was no good answer. */
  latencyMillis: Schema.Number,
  result: Schema.Literal("answered", "degraded", "failed"),
  /** An order: confirmed in the first answer. */
  confirmed: Schema.Boolean,
  /** An order: accepted, to be confirmed later. */
  pending: Schema.Boolean,
  /** A page that said something untrue: another price, or to be complete with a part missing. */
  wrong: Schema.Boolean
})
export type Outcome = typeof Outcome.Type

const TimelineMessage = Schema.Struct({
  warmUpMillis: Schema.Number,
  slowAt: Schema.Number,
  refusedAt: Schema.Number,
  backAt: Schema.Number,
  endAt: Schema.Number
})

/** `startAt` is the timeline's zero as milliseconds of the wall clock, which all processes of one machine share. */
export const LoadCommand = Schema.TaggedStruct("Load", {
  target: Schema.String,
  seed: Schema.Int,
  timeline: TimelineMessage,
  startAt: Schema.Number,
  drainLimitMillis: Schema.Number
})
export type LoadCommand = typeof LoadCommand.Type

export const LoadNotice = Schema.Union(
  Schema.TaggedStruct("Ready", {}),
  Schema.TaggedStruct("Outcomes", { outcomes: Schema.Array(Outcome) }),
  /** Every arrival has its answer; from now on only pending orders are waited for. */
  Schema.TaggedStruct("LoadEnded", { pending: Schema.Int }),
  Schema.TaggedStruct("Settled", { confirmed: Schema.Int, rejected: Schema.Int, left: Schema.Int }),
  Schema.TaggedStruct("Drained", { confirmed: Schema.Int, rejected: Schema.Int, unsettled: Schema.Int })
)
export type LoadNotice = typeof LoadNotice.Type

export const CircuitState = Schema.Literal("Closed", "Open", "HalfOpen", "Isolated", "Disabled")
export type CircuitState = typeof CircuitState.Type

export const ServerNotice = Schema.Union(
  Schema.TaggedStruct("Serving", { url: Schema.String }),
  Schema.TaggedStruct("CircuitChanged", { policy: Schema.String, to: CircuitState, wallMillis: Schema.Number }),
  /** Outbound sockets, and what the server has computed for until then. */
  Schema.TaggedStruct("Sockets", {
    inUse: Schema.Int,
    waiting: Schema.Int,
    cpuMillis: Schema.Number,
    wallMillis: Schema.Number
  })
)
export type ServerNotice = typeof ServerNotice.Type
