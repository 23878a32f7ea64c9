/**
 * One call of a client under policies: attempts one after the other, the last of which answers, and its body goes on.
 *
 * Each attempt sends the same request. The response of one that is repeated is discarded before the next is sent, so that
 * a call never has more than one connection. Mutable, and nobody has it but the one call.
 */
import { Deadline, Outcome, Policy, Region, Timeout } from "@effect-resilience/core"
import {
  type Headers,
  type HttpClient,
  HttpClientError,
  HttpClientRequest,
  type HttpClientResponse
} from "@effect/platform"
import { Cause, Clock, Context, Duration, Effect, Exit, Option, Stream } from "effect"
import type * as CriticalityHeader from "../CriticalityHeader.js"
import * as DeadlineHeader from "../DeadlineHeader.js"
import * as HttpOutcome from "../HttpOutcome.js"
import type { BeforeAttempt } from "./Attempt.js"
import type { Connect } from "./Connection.js"
import { HeldResponse } from "./HeldResponse.js"
import { type AnyFiber, nowMillis, type OpenBodies } from "./OpenBodies.js"
import { unheard } from "./Unheard.js"

/** What all calls of a client share. */
export interface Way<E, R> {
  /** Sends a request as it is. */
  readonly client: HttpClient.HttpClient.With<E, R>
  /** The same, over a connection that can be ended. */
  readonly connect: Connect<E, R>
  readonly bodies: OpenBodies
  readonly idleMillis: number
  readonly beforeAttempt: BeforeAttempt | undefined
  /** Puts what is left of the time on a request. */
  readonly deadlineHeader: DeadlineHeader.Send | undefined
  /** Puts on a request how much it matters. */
  readonly criticalityHeader: CriticalityHeader.Send | undefined
}

/** What is said of one call. */
export interface Terms {
  readonly request: HttpClientRequest.HttpClientRequest
  /** The limit of one attempt, which the policy knows that the call comes under. */
  timeout: Option.Option<Duration.Duration>
  /** How long the dependency must have had before a 504 for want of time counts against it, in milliseconds. */
  patienceMillis: number
  /** Whether what may have arrived may be made again. */
  readonly isRepeatable: boolean
  readonly rules: HttpOutcome.Rules
  readonly holdUntil: "body" | "headers"
  /** Is told the headers of answers. */
  hear: ((fiber: AnyFiber, headers: Headers.Headers) => void) | undefined
}

/** How the errors of attempts count, which the request they are of decides. */
const judged = new WeakMap<object, Outcome.Outcome>()

const onlyOnce = (outcome: Outcome.Outcome): Outcome.Outcome =>
  Outcome.isTransient(outcome) && outcome._tag !== "Success" ? { ...outcome, transient: false } : outcome

/**
 * How an exit under a policy counts. What the attempts have ended with was judged then; a limit of the policy's own, and
 * whatever else may have come after the request had left, is worth repeating only if the request is.
 */
export const classify =
  (isRepeatable: boolean): Outcome.Classify =>
  (exit) => {
    if (exit._tag === "Success") return exit.value instanceof HeldResponse ? exit.value.outcome : Outcome.success
    const error = Option.getOrUndefined(Outcome.typedError(exit))
    const known = typeof error === "object" && error !== null ? judged.get(error) : undefined
    if (known !== undefined) return known
    if (error instanceof Timeout.TimedOut) return Outcome.failure({ transient: isRepeatable })
    return isRepeatable ? Outcome.classify(exit) : onlyOnce(Outcome.classify(exit))
  }

/** The status code that an exit has, where one came. */
export const statusOf = (exit: Exit.Exit<unknown, unknown>): string | undefined => {
  if (exit._tag === "Success") return exit.value instanceof HeldResponse ? `${exit.value.status}` : undefined
  const error = Option.getOrUndefined(Outcome.typedError(exit))
  return HttpClientError.isHttpClientError(error) && error._tag === "ResponseError"
    ? `${error.response.status}`
    : undefined
}

/** How an attempt begins. */
interface Start {
  readonly fiber: AnyFiber
  readonly restore: Region.Restore
  readonly hold: Policy.Hold
  readonly beganMillis: number
  /** When the budget of the call ends; Infinity if it has none. */
  readonly deadlineMillis: number
}

/** What was sent, when, and what ends its connection. */
interface Sent {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly atMillis: number
  readonly end: Effect.Effect<void>
}

const nothing = (): void => {}

/** Ends the connection of a response that has no scope: the client does so where a reader goes. */
const abandoned = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  response instanceof HeldResponse
    ? response.onClose
    : Effect.suspend(() => unheard(Stream.runDrain(response.stream), 1))

/**
 * Ends the connection of a response. A client that has sent another request in place of the one it was given knows nothing
 * of how that was to be ended, so its response is abandoned as well, for which nobody waits.
 */
const ended = ({ end }: Sent, response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  Effect.zipRight(end, Effect.asVoid(Effect.forkDaemon(Effect.interruptible(abandoned(response)))))

/** How long what is left of a response may take that is discarded: no more of the attempt after it than this part. */
const drainedPart = 0.1

/** How long the body of a response may take that a client has made an error of, in milliseconds. */
const errorBodyMillis = 100

/** A client that makes errors of statuses hands out the response in them: its text stays when the connection goes. */
const kept = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<void> =>
  unheard(response.text, errorBodyMillis)

/** One call. */
export class Exchange<E, R> {
  private made = 0
  private hasEnded = false
  /** What the attempt before has got. */
  private latest: HeldResponse | undefined = undefined

  constructor(
    private readonly way: Way<E, R>,
    private readonly terms: Terms
  ) {}

  /** Makes the call under policies, for a fiber that is about to enter a region. */
  under<E2>(
    fiber: AnyFiber,
    policies: Policy.Policy<E2>["protect"]
  ): Region.Outside<HttpClientResponse.HttpClientResponse, E | E2, R> {
    return Region.outside(Policy.protectHolding<HeldResponse, E, R, E2>(policies, this.attempt), (exit) => {
      this.hasEnded = true
      if (exit._tag === "Success") return this.answer(fiber, exit.value)
      return this.latest === undefined ? exit : Effect.zipRight(this.latest.onClose, exit)
    })
  }

  private answer(fiber: AnyFiber, response: HeldResponse): Effect.Effect<HttpClientResponse.HttpClientResponse> {
    this.latest = undefined
    if (this.terms.holdUntil === "headers") return Exit.succeed(response.original)
    const watching = response.watched(fiber)
    return watching === undefined ? Exit.succeed(response) : Effect.as(watching, response)
  }

  /** The limit of one attempt. */
  private get limitMillis(): number {
    return Option.match(this.terms.timeout, { onNone: () => Infinity, onSome: Duration.toMillis })
  }

  /** One attempt, after what the attempt before has got was discarded. */
  private readonly attempt = (hold: Policy.Hold): Effect.Effect<HeldResponse, E, R> => {
    const { latest } = this
    if (latest === undefined) return this.sending(hold)
    return Effect.withFiberRuntime((fiber) => {
      const beganMillis = nowMillis(fiber)
      // It stays the latest meanwhile: of a call that is interrupted before this has ended, `under` closes it.
      return Effect.zipRight(
        latest.discardedWithin(this.limitMillis * drainedPart),
        Effect.suspend(() => this.sending(hold, beganMillis))
      )
    })
  }

  private sending(hold: Policy.Hold, began?: number): Effect.Effect<HeldResponse, E, R> {
    return Region.region<HeldResponse, E, R>((fiber, restore) => {
      const deadlineMillis = Deadline.inForce(fiber)?.dueMillis ?? Infinity
      const beganMillis = began ?? nowMillis(fiber)
      const start = { fiber, restore, hold, beganMillis, deadlineMillis }
      let sent: Sent = { request: this.terms.request, atMillis: beganMillis, end: Effect.void }
      const response = this.send(start, (what) => {
        sent = what
      })
      return Region.outside(response, (exit) =>
        exit._tag === "Success" ? this.received(start, exit.value, sent) : this.failed(start, exit.cause, sent)
      )
    })
  }

  /** Sends the request of an attempt, and tells as what. */
  private send(start: Start, tell: (sent: Sent) => void): Effect.Effect<HttpClientResponse.HttpClientResponse, E, R> {
    const { terms, way } = this
    const { fiber } = start
    const resendCount = this.made++
    // A request of its own for each attempt: clients know the connection of a scoped one by it.
    const own = HttpClientRequest.setMethod(terms.request, terms.request.method)
    const attempt = () => ({ resendCount, timeout: terms.timeout, remaining: Deadline.remainingIn(fiber) })
    const request = way.beforeAttempt?.(own, attempt()) ?? own
    const classed = way.criticalityHeader?.(fiber, request) ?? request
    if (way.deadlineHeader === undefined) return this.sendAs(start, classed, resendCount, tell)
    const leftMillis = this.limitMillis - (nowMillis(fiber) - start.beganMillis)
    return Effect.flatMap(way.deadlineHeader(classed, leftMillis), (told) =>
      this.sendAs(start, told, resendCount, tell)
    )
  }

  private sendAs(
    { fiber }: Start,
    request: HttpClientRequest.HttpClientRequest,
    resendCount: number,
    tell: (sent: Sent) => void
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, E, R> {
    const { terms, way } = this
    const { end, response } =
      terms.holdUntil === "headers" ? { response: way.client.execute(request), end: Effect.void } : way.connect(request)
    tell({ request, atMillis: nowMillis(fiber), end })
    return resendCount === 0 ? response : Effect.annotateSpans(response, "http.request.resend_count", resendCount)
  }

  private received(
    { deadlineMillis, fiber, hold, restore }: Start,
    response: HttpClientResponse.HttpClientResponse,
    sent: Sent
  ): Effect.Effect<HeldResponse> {
    const { terms, way } = this
    const { headers } = response
    terms.hear?.(fiber, headers)
    const outcome = HttpOutcome.ofResponse(
      terms.request,
      { status: response.status, headers },
      this.rules(fiber, sent, response.status)
    )
    const { bodies, idleMillis } = way
    const untilHeaders = terms.holdUntil === "headers"
    const abort = untilHeaders ? abandoned(response) : ended(sent, response)
    const letGo = untilHeaders ? nothing : hold()
    const held = new HeldResponse(response, headers, { abort, letGo, bodies, idleMillis, deadlineMillis }, outcome)
    // Its policies have answered already: nobody waits for it.
    if (this.hasEnded) return Effect.zipRight(held.onClose, Effect.interrupt)
    this.latest = held
    return held.isEmpty && !untilHeaders ? Effect.as(restore(held.ended), held) : Exit.succeed(held)
  }

  private failed({ fiber, restore }: Start, cause: Cause.Cause<E>, sent: Sent): Effect.Effect<never, E> {
    const error = Option.getOrUndefined(Option.filter(Cause.failureOption(cause), HttpClientError.isHttpClientError))
    const end = Effect.zipRight(sent.end, Exit.failCause(cause))
    if (error === undefined) return end
    if (error._tag === "ResponseError") this.terms.hear?.(fiber, error.response.headers)
    const status = error._tag === "ResponseError" ? error.response.status : undefined
    // By the request of the call, which is what is made again; a client may have sent another in its place.
    judged.set(error, HttpOutcome.ofError(error, this.rules(fiber, sent, status), this.terms.request))
    return error._tag === "ResponseError"
      ? Effect.zipRight(
          Effect.onInterrupt(restore(kept(error.response)), () => sent.end),
          end
        )
      : end
  }

  private rules(fiber: AnyFiber, { atMillis, request }: Sent, status: number | undefined): HttpOutcome.Rules {
    const clock = Context.get(fiber.currentDefaultServices, Clock.Clock)
    const tookMillis = status === 504 ? nowMillis(fiber) - atMillis : 0
    const deadlineOver = status === 504 && DeadlineHeader.isOver(request, tookMillis)
    const { patienceMillis } = this.terms
    const patienceOver = tookMillis >= patienceMillis
    const { repeatable, statuses } = this.terms.rules
    // Named one by one: copying what is there would cost as much as a context write.
    return { repeatable, statuses, nowMillis: clock.unsafeCurrentTimeMillis(), deadlineOver, patienceOver }
  }
}
