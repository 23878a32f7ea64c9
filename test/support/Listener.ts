/** A listener to telemetry that remembers what it was told. */
import { Telemetry } from "@effect-resilience/core"

import { Effect } from "effect"

export class Listener {
  readonly events: Array<Telemetry.Event> = []

  /** Hears what the effect's policies report. */
  readonly hear = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provide(
      self,
      Telemetry.layer((event) => this.events.push(event))
    )

  /** The events of one kind, oldest first. */
  readonly of = <T extends Telemetry.Event["_tag"]>(tag: T): ReadonlyArray<Extract<Telemetry.Event, { _tag: T }>> =>
    this.events.filter((event): event is Extract<Telemetry.Event, { _tag: T }> => event._tag === tag)
}
