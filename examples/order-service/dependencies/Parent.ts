/** A child's end of the IPC channel: telling the parent things, and stopping when it is gone. */
import { Effect } from "effect"

/** Tell the parent; nothing happens when there is none. */
export const tell = (notice: unknown): Effect.Effect<void> => Effect.sync(() => tellNow(notice))

/** The same for callbacks that run outside an effect. */
export const tellNow = (notice: unknown): void => {
  if (process.connected) process.send?.(notice)
}

/**
 * Ends when the parent is gone, however it went. Ctrl-C on a terminal reaches every process of the group: with a parent
 * to decide when this one stops, it is ignored here.
 */
export const gone: Effect.Effect<void> = Effect.async((resume) => {
  if (process.send === undefined) return
  process.on("SIGINT", () => undefined)
  process.once("disconnect", () => resume(Effect.void))
  if (!process.connected) resume(Effect.void)
})
