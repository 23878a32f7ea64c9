/**
 * The steps of a drain on the clock, and the requests that it keeps count of. What happens at each step `DrainState` says.
 */
import { Deadline, Outcome } from "@effect-resilience/core"
import { HttpApp, type HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Deferred, Duration, Effect, Exit, Fiber, MutableRef, Option, type Scope } from "effect"
import type { Settings } from "./DrainOptions.js"
import { type Event, initial, type State, step } from "./DrainState.js"

/** A drain: one for a process, or for each of its servers that ends by itself. */
export interface Service {
  /** How far it is, and how many requests are in flight. */
  readonly state: Effect.Effect<State>
  /** Returns when the drain has begun: what works in a loop of its own takes nothing new from then on. */
  readonly begun: Effect.Effect<void>
  /** As `Drain.track`, for a drain at hand. */
  readonly track: <E, R>(app: HttpApp.Default<E, R>) => HttpApp.Default<E, R>
  /** As `Drain.register`, for a drain at hand. */
  readonly register: <E, R>(
    name: string,
    stop: Effect.Effect<void, E, R>
  ) => Effect.Effect<void, never, R | Scope.Scope>
  /** Begins the drain, or joins the one that has begun, and returns when it is over. It cannot be taken back. */
  readonly shutdown: Effect.Effect<void>
}

/** How long what was interrupted may take to end and to be answered. */
const interruptedWithin = "1 second"

interface Registered {
  readonly name: string
  readonly stop: Effect.Effect<void>
}

type Tracked = Fiber.RuntimeFiber<unknown, unknown>

/** A drain. What it counts is mutated in place, each step at once. */
export class Draining implements Service {
  private readonly cell = MutableRef.make(initial)
  private readonly tracked = new Set<Tracked>()
  private readonly registered = new Set<Registered>()

  constructor(
    private readonly settings: Settings,
    private readonly start: Deferred.Deferred<void>,
    private readonly idle: Deferred.Deferred<void>,
    private readonly end: Deferred.Deferred<void>
  ) {}

  readonly state: Effect.Effect<State> = Effect.sync(() => MutableRef.get(this.cell))

  get begun(): Effect.Effect<void> {
    return Deferred.await(this.start)
  }

  readonly track = <E, R>(app: HttpApp.Default<E, R>): HttpApp.Default<E, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.withFiberRuntime<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest>(
        (fiber) => {
          // Tracked already, by the server that it came in through.
          if (this.tracked.has(fiber)) return restore(app)
          if (!this.take("Arrived")) return Effect.succeed(this.refusal)
          this.tracked.add(fiber)
          return HttpApp.appendPreResponseHandler(this.announce).pipe(
            Effect.zipRight(restore(app)),
            Effect.ensuring(Effect.sync(() => this.leave(fiber)))
          )
        }
      )
    )

  readonly register = <E, R>(
    name: string,
    stop: Effect.Effect<void, E, R>
  ): Effect.Effect<void, never, R | Scope.Scope> =>
    Effect.uninterruptible(
      Effect.gen(this, function* () {
        const context = yield* Effect.context<R>()
        const entry: Registered = { name, stop: Effect.provide(quietly(name, stop), context) }
        this.registered.add(entry)
        yield* Effect.addFinalizer(() => Effect.sync(() => this.registered.delete(entry)))
      })
    )

  get shutdown(): Effect.Effect<void> {
    return Effect.suspend(() => {
      // A daemon, because whoever began it may give up, and interruptible, because it begins in a finalizer.
      const begin = this.take("Began")
        ? Effect.forkDaemon(Effect.interruptible(Deadline.detached(this.sequence)))
        : Effect.void
      return Effect.zipRight(Effect.uninterruptible(begin), Deferred.await(this.end))
    })
  }

  private get sequence(): Effect.Effect<void> {
    return Effect.gen(this, function* () {
      yield* Deferred.succeed(this.start, undefined)
      yield* this.log("draining")
      yield* Effect.sleep(Duration.millis(this.settings.preStopMillis))
      this.take("StoppedTaking")
      this.settle()
      yield* this.log("no new connections")
      const stops = yield* Effect.forEach(this.registered, ({ stop }) => Effect.forkDaemon(stop))
      const finished = Effect.zipRight(Deferred.await(this.idle), Fiber.awaitAll(stops))
      const inTime = yield* Effect.timeoutOption(finished, Duration.millis(this.settings.gracefulMillis))
      if (Option.isNone(inTime)) {
        yield* this.log("out of time: interrupting what is left")
        this.take("Ended")
        yield* Effect.forEach([...this.tracked, ...stops], Fiber.interruptFork, { discard: true })
        yield* Effect.timeoutOption(finished, interruptedWithin)
      }
      this.take("Ended")
      yield* this.log("closed")
    }).pipe(Effect.ensuring(Deferred.succeed(this.end, undefined)))
  }

  /** Takes a step; whether it was of any effect. */
  private take(event: Event): boolean {
    const [done, next] = step(MutableRef.get(this.cell), event)
    MutableRef.set(this.cell, next)
    return done
  }

  /** A request has ended. */
  private leave(fiber: Tracked): void {
    this.tracked.delete(fiber)
    this.take("Left")
    this.settle()
  }

  /** Once nothing new comes, the last to leave is the end of the wait. */
  private settle(): void {
    const { inFlight, phase } = MutableRef.get(this.cell)
    if (inFlight === 0 && (phase === "Closing" || phase === "Closed")) Deferred.unsafeDone(this.idle, Exit.void)
  }

  /** Says how far it is. */
  private log(message: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { inFlight, phase } = MutableRef.get(this.cell)
      return Effect.annotateLogs(Effect.logInfo(message), { event: "drain", phase, inFlight })
    })
  }

  private get retryAfter(): string {
    return String(Math.ceil(this.settings.retryAfterMillis / 1000))
  }

  private get refusal(): HttpServerResponse.HttpServerResponse {
    return HttpServerResponse.unsafeJson(
      { type: "about:blank", title: "Service Unavailable", status: 503, detail: "the service is shutting down" },
      {
        status: 503,
        contentType: "application/problem+json",
        headers: { connection: "close", "retry-after": this.retryAfter }
      }
    )
  }

  /** The last answer of a connection says so; one to a request that was interrupted also says when to come back. */
  private readonly announce: HttpApp.PreResponseHandler = (_, response) =>
    Effect.sync(() => {
      const { phase } = MutableRef.get(this.cell)
      if (phase === "Running") return response
      const last = HttpServerResponse.setHeader(response, "connection", "close")
      return phase === "Closed" && response.status === 503 && response.headers["retry-after"] === undefined
        ? HttpServerResponse.setHeader(last, "retry-after", this.retryAfter)
        : last
    })
}

/** What one of many to stop does must not keep the others from it: how it failed is said, by its tag. */
const quietly = <E, R>(name: string, stop: Effect.Effect<void, E, R>): Effect.Effect<void, never, R> =>
  Effect.flatMap(Effect.exit(stop), (exit) =>
    Exit.isSuccess(exit)
      ? Effect.void
      : Effect.annotateLogs(Effect.logError("did not stop as it should"), {
          event: "drain",
          name,
          error: Outcome.exitTag(exit)
        })
  )
