/** What happens outside Effect, such as the promises of a web stream, happens in turns of the event loop, which no clock counts. */
import { Effect } from "effect"

/** A turn: every fiber that can go on has gone on, in microtasks, all of which come before anything else. */
export const turn = Effect.async<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

/** Enough turns for what is ready to have happened. */
export const turns = Effect.repeatN(turn, 20)
