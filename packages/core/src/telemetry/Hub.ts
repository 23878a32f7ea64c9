/**
 * Where events go: the sinks of the running program, several at once. A policy finds the hub in the context of the call
 * that it protects; where nothing was provided that is one for the process, which has no sink until somebody subscribes.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { type AnyFiber, isProvided } from "../FiberTime.js"
import type { Event } from "./Events.js"

/** What hears events. */
export interface Sink {
  /** Runs inside the call that the event is of: it must be quick and must not throw. */
  readonly publish: (event: Event, fiber: AnyFiber) => void
  /** Whether it is told of every call (`CallSettled`, `AttemptSettled`, `RetrySettled`). Default false. */
  readonly calls?: boolean | undefined
}

/** Tells each sink. Mutated in place: sinks come and go while policies run. */
export class Hub {
  private sinks: ReadonlyArray<Sink> = []
  private ofCalls: ReadonlyArray<Sink> = []
  /** `outer`: the hub around this one, which hears everything as well. */
  constructor(private readonly outer?: Hub) {}

  /** Whether nobody hears what is not of every call. */
  get isSilent(): boolean {
    return this.sinks.length === 0 && (this.outer === undefined || this.outer.isSilent)
  }

  /** Whether anybody hears of every call. */
  get hearsCalls(): boolean {
    return this.ofCalls.length > 0 || (this.outer !== undefined && this.outer.hearsCalls)
  }

  add(sink: Sink): void {
    this.set([...this.sinks, sink])
  }

  remove(sink: Sink): void {
    this.set(this.sinks.filter((each) => each !== sink))
  }

  private set(sinks: ReadonlyArray<Sink>): void {
    this.sinks = sinks
    this.ofCalls = sinks.filter(({ calls }) => calls === true)
  }

  /** Tells what is not of every call. */
  tell(event: Event, fiber: AnyFiber): void {
    tellEach(this.sinks, event, fiber)
    this.outer?.tell(event, fiber)
  }

  /** Tells those who hear of every call. */
  tellOfCall(event: Event, fiber: AnyFiber): void {
    tellEach(this.ofCalls, event, fiber)
    this.outer?.tellOfCall(event, fiber)
  }
}

const tellEach = (sinks: ReadonlyArray<Sink>, event: Event, fiber: AnyFiber): void => {
  for (const sink of sinks) {
    try {
      sink.publish(event, fiber)
    } catch {
      continue
    }
  }
}

/** The hub of a process whose program was provided none. */
const everywhere = new Hub()

/** The hub in force. */
export class Telemetry extends Context.Reference<Telemetry>()("@effect-resilience/core/Telemetry", {
  defaultValue: (): Hub => everywhere
}) {}

const hubOf = (fiber: AnyFiber): Hub =>
  isProvided(fiber, Telemetry) ? Context.get(fiber.currentContext, Telemetry) : everywhere

/** Reports an event, if anybody listens. A sink that throws loses the event, never the call. */
export const publish = (fiber: AnyFiber, event: () => Event): void => {
  const hub = hubOf(fiber)
  if (!hub.isSilent) hub.tell(event(), fiber)
}

/** The hub, if anybody hears of every call. */
export const hubOfCalls = (fiber: AnyFiber): Hub | undefined => {
  const hub = hubOf(fiber)
  return hub.hearsCalls ? hub : undefined
}

/** A hub around what it is provided to. Built once for all sinks that are provided together: Layers are shared. */
const layerHub: Layer.Layer<never> = Layer.effectContext(
  Effect.map(Telemetry, (outer) => Context.make(Telemetry, new Hub(outer)))
)

/** Adds a sink to a hub while the scope lives. */
export const listen = (sink: Sink): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(Telemetry, (hub) =>
    Effect.acquireRelease(
      Effect.sync(() => hub.add(sink)),
      () => Effect.sync(() => hub.remove(sink))
    )
  )

/** A Layer that makes a sink and adds it. */
export const layerSink = <E, R>(sink: Effect.Effect<Sink, E, R>): Layer.Layer<never, E, Exclude<R, Scope.Scope>> =>
  Layer.provideMerge(Layer.scopedDiscard(Effect.flatMap(sink, listen)), layerHub)
