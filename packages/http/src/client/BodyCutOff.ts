/**
 * Why the reader of a body has not got all of it.
 */
import { Data } from "effect"

/** Why a body could not be read to its end, as the `cause` of the error that its reader gets. */
export class BodyCutOff extends Data.TaggedError("BodyCutOff")<{
  /** `silent`: nothing came for `bodyIdle`; `deadline`: the budget of the call has ended; `closed`: the client was. */
  readonly reason: "silent" | "deadline" | "discarded" | "closed"
}> {
  /** What happened. */
  override get message(): string {
    return `The body was cut off (${this.reason})`
  }
}
