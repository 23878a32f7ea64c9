/**
 * Whether work must not run twice at a time, because whoever runs it keeps what a run has opened: no copy is made of it.
 */
import { Context } from "effect"
import { type AnyFiber, isProvided } from "../FiberTime.js"

/** Whether the work here runs alone. */
export class Alone extends Context.Reference<Alone>()("@effect-resilience/core/Alone", {
  defaultValue: (): { readonly isAlone: boolean } => ({ isAlone: false })
}) {}

/** Whether a fiber's work runs alone. */
export const isAlone = (fiber: AnyFiber): boolean =>
  isProvided(fiber, Alone) && Context.get(fiber.currentContext, Alone).isAlone
