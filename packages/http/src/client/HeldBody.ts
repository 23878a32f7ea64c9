/**
 * The body of a response, which holds its connection, and the permits that were taken for it, until it has ended: read,
 * discarded, cut off for its silence, or with the budget of the call.
 *
 * Silence is counted while somebody waits for the server, not while a reader is busy with what has come. A body that is
 * announced to be small is read as the client itself does, which is fast but shows no progress: it has the time of one
 * silence in all. If nobody reads it at all it is read into memory shortly, so that a caller who looks at the status only
 * does not hold a permit; reading it later still works.
 *
 * It is read once, whichever way and by however many: who comes later gets what was read, and who comes while it is being
 * read waits for that. If the first of several readers is interrupted the body ends, and the others fail with `BodyCutOff`.
 * Only what was read as a stream cannot be read again.
 */
import { Region } from "@effect-resilience/core"
import type { Headers, HttpClientError, HttpClientResponse } from "@effect/platform"
import { type Cause, type Chunk, Effect, Exit, identity, Inspectable, Option, type Scope, Stream } from "effect"
import { BodyCutOff } from "./BodyCutOff.js"
import * as Content from "./Content.js"
import { Cut } from "./Cut.js"
import { type AnyFiber, nowMillis, type OpenBodies, type Watched } from "./OpenBodies.js"
import { chunksOf, looking, type Promised, sourceOf } from "./Source.js"
import { unheard } from "./Unheard.js"

/** What a body may hold to be read into memory for nobody, or drained for the sake of its connection. In bytes. */
const smallBytes = 65_536

/** How long a small body may wait for a reader, and how long draining it may take. */
const patienceMillis = 100

/** What a body holds, and how long. */
export interface Holdings {
  readonly bodies: OpenBodies
  /** Ends the connection, if it has not ended. */
  readonly abort: Effect.Effect<void>
  /** Gives back the permits. */
  readonly letGo: () => void
  readonly idleMillis: number
  /** When the budget of the call ends; Infinity if it has none. */
  readonly deadlineMillis: number
}

/** Reads something of a body. */
export type Read<A> = Effect.Effect<A, HttpClientError.ResponseError>

/** Mutable: each change is one synchronous step. */
export abstract class HeldBody extends Inspectable.Class implements Watched {
  dueMillis = Infinity
  hasEnded = false
  private silentMillis = Infinity
  private unreadMillis = Infinity
  private isStreamed = false
  private isAtEnd = false
  private readonly early = new Cut()
  private readonly announced: number
  /** The whole body, or the reading of it. */
  private whole: Content.Reading<HttpClientError.ResponseError> | undefined = undefined

  constructor(
    readonly original: HttpClientResponse.HttpClientResponse,
    readonly headers: Headers.Headers,
    private readonly holds: Holdings
  ) {
    super()
    this.announced = Content.announcedBytes(original, headers)
  }

  /** What a reader gets that could not read. */
  protected abstract failed(cause: unknown, description?: string): HttpClientError.ResponseError

  /** Whether there is no body by the headers. */
  get isEmpty(): boolean {
    return this.announced === 0
  }

  /** Waits until the client knows that there is no body. */
  get ended(): Effect.Effect<void> {
    return Effect.map(Effect.exit(this.original.text), () => {
      this.whole = new Content.Reading()
      this.whole.ended(Exit.succeed(Content.ofText("")))
      this.end()
    })
  }

  /** Begins to count the silence; what it gives, if anything, is to be run. */
  watched(fiber: AnyFiber): Effect.Effect<unknown> | undefined {
    if (this.hasEnded) return undefined
    const now = nowMillis(fiber)
    this.waiting(now)
    this.unreadMillis = this.announced <= smallBytes ? now + patienceMillis : Infinity
    this.dueMillis = Math.min(this.dueMillis, this.unreadMillis)
    return this.holds.bodies.watch(fiber, this)
  }

  /** From now on the server is waited for. */
  private waiting(now: number): void {
    this.silentMillis = now + this.holds.idleMillis
    this.dueMillis = Math.min(this.silentMillis, this.holds.deadlineMillis)
  }

  /** From now on the reader is. */
  private busy(): void {
    this.silentMillis = Infinity
    this.dueMillis = this.holds.deadlineMillis
  }

  /** Cuts the body off, or, if it is only unread, reads it into memory. */
  onDue(now: number): Effect.Effect<void> {
    if (now >= this.holds.deadlineMillis) return this.cut("deadline")
    if (now >= this.silentMillis) return this.cut("silent")
    this.dueMillis = Math.min(this.silentMillis, this.holds.deadlineMillis)
    if (this.whole !== undefined || this.isStreamed || now < this.unreadMillis) return Effect.void
    const { silentMillis } = this
    const since = () => {
      this.silentMillis = silentMillis
      this.dueMillis = Math.min(silentMillis, this.holds.deadlineMillis)
    }
    return Effect.asVoid(Effect.forkDaemon(Effect.exit(this.readWhole(() => this.inChunks, since))))
  }

  /** Ends the body with its client. */
  get onClose(): Effect.Effect<void> {
    return Effect.suspend(() => this.cut("closed"))
  }

  /** The body has ended: what it held is given back. */
  private end(): void {
    if (this.hasEnded) return
    this.hasEnded = true
    this.holds.bodies.forget(this)
    this.holds.letGo()
  }

  /** Ends the body before its time, with its connection. */
  private cut(reason: BodyCutOff["reason"]): Effect.Effect<void> {
    if (this.hasEnded) return Effect.void
    this.early.make(new BodyCutOff({ reason }))
    this.end()
    return this.holds.abort
  }

  /** Lets the connection be used again if what is left of a small body comes at once, and ends it otherwise. */
  get discard(): Effect.Effect<void> {
    return this.discardedWithin(patienceMillis)
  }

  /** The same, where less time may be spent on it. */
  discardedWithin(millis: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.hasEnded) return Effect.void
      const drained =
        this.announced > smallBytes ? Effect.void : unheard(this.content, Math.min(patienceMillis, Math.ceil(millis)))
      return Effect.ensuring(
        drained,
        Effect.suspend(() => this.cut("discarded"))
      )
    })
  }

  private readonly failedOf = (cause: unknown): HttpClientError.ResponseError =>
    cause instanceof Content.TooLarge ? this.failed(undefined, cause.message) : this.failed(cause)
  private readonly failedFor = (why: BodyCutOff): HttpClientError.ResponseError => this.failed(why, why.message)

  private get wasCutOff(): HttpClientError.ResponseError | undefined {
    return this.early.made && this.failedFor(this.early.made)
  }

  /** Why nobody can begin to read the body. */
  private get refusal(): HttpClientError.ResponseError | undefined {
    return (
      this.wasCutOff ?? (this.isStreamed ? this.failed(undefined, "the body was read as a stream before") : undefined)
    )
  }

  /** Reads as the client does, from its source or else by its own `quick`, where that is as good; else in chunks. */
  protected read<A>(promised: Promised<A>, quick: () => Read<Content.Content>): Read<Content.Content> {
    return this.readWhole(() => {
      if (this.announced > smallBytes) return this.inChunks
      const source = sourceOf(this.original, this.failedOf)
      return source === undefined
        ? this.cuttable(looking(this.original, quick))
        : this.early.untilPromised(() => promised.read(source), promised.content, this.failedFor, this.failedOf)
    })
  }

  /** The whole body, read in chunks. */
  private get content(): Read<Content.Content> {
    return this.readWhole(() => this.inChunks)
  }

  /** A reading that ends with the cut. */
  private cuttable<A, R>(self: Effect.Effect<A, HttpClientError.ResponseError, R>): typeof self {
    return this.early.until(self, this.failedFor)
  }

  /** Reads the body into memory, once; `since` says from when its silence counts, if not from now on. */
  private readWhole(
    read: () => Read<Content.Content>,
    since: (now: number) => void = (now) => this.waiting(now)
  ): Read<Content.Content> {
    const { failedWith } = this
    return Region.region<Content.Content, HttpClientError.ResponseError, never>(
      (fiber) => {
        const whole = new Content.Reading<HttpClientError.ResponseError>()
        this.whole = whole
        since(nowMillis(fiber))
        return Region.outside(Effect.suspend(read), (exit) => {
          if (exit._tag === "Failure") return failedWith(whole, exit.cause)
          this.end()
          return whole.ended(exit)
        })
      },
      () => this.whole?.content ?? (this.refusal && Exit.fail(this.refusal))
    )
  }

  private readonly failedWith = (
    whole: Content.Reading<HttpClientError.ResponseError>,
    cause: Cause.Cause<HttpClientError.ResponseError>
  ): Read<never> =>
    Effect.zipRight(
      this.cut("discarded"),
      Effect.suspend(() => {
        const exit = Exit.failCause(cause)
        // That its reader was interrupted is nothing to others.
        const told = Exit.isInterrupted(exit) ? this.wasCutOff : undefined
        whole.ended(told ? Exit.fail(told) : exit)
        return exit
      })
    )

  /** Reads from the chunks of the source, or else from the client's stream, and sees that they come. */
  private get inChunks(): Read<Content.Content> {
    const chunks = chunksOf(this.original)
    if (chunks === undefined) return this.cuttable(looking(this.original, () => this.collected))
    return Effect.withFiberRuntime((fiber) => {
      const goOn = (): boolean => {
        if (!this.hasEnded) this.waiting(nowMillis(fiber))
        return !this.hasEnded
      }
      return Effect.flatMap(Content.mostBytes, (most) =>
        this.early.untilPromised(() => Content.gathered(chunks, most, goOn), identity, this.failedFor, this.failedOf)
      )
    })
  }

  private get collected(): Read<Content.Content> {
    return Effect.scoped(Effect.flatMap(this.pull, (pull) => Content.collected(pull, this.failedOf)))
  }

  /** Pulls each chunk, waiting no longer than a silence may last. */
  private get pull(): Effect.Effect<Content.Pull<HttpClientError.ResponseError>, never, Scope.Scope> {
    return Effect.map(Stream.toPull(this.original.stream), (pull) => {
      const chunk = pull.pipe(
        Effect.tap(() => this.busy()),
        Effect.mapError((end) => this.ending(end))
      )
      return Effect.withFiberRuntime<Chunk.Chunk<Uint8Array>, Option.Option<HttpClientError.ResponseError>>((fiber) => {
        if (this.silentMillis === Infinity) this.waiting(nowMillis(fiber))
        const woken = this.holds.bodies.wakeFor(fiber, this.dueMillis)
        return woken === undefined ? chunk : Effect.zipRight(woken, chunk)
      })
    })
  }

  /** What a reader is told at the end. Some clients fail to give a stream where there is no body. */
  private ending(end: Option.Option<HttpClientError.ResponseError>): Option.Option<HttpClientError.ResponseError> {
    const failure = Option.filter(end, ({ reason }) => reason !== "EmptyBody")
    this.isAtEnd = Option.isNone(failure)
    return failure
  }

  /** The body as it comes; what is not read of it is discarded. */
  protected get chunks(): Stream.Stream<Uint8Array, HttpClientError.ResponseError> {
    return Stream.suspend(() => {
      if (this.whole !== undefined) return Stream.fromEffect(Effect.map(this.content, ({ bytes }) => bytes()))
      const { refusal } = this
      if (refusal !== undefined) return Stream.fail(refusal)
      const begun = Effect.withFiberRuntime<void>((fiber) => {
        this.waiting(nowMillis(fiber))
        return Effect.void
      })
      this.isStreamed = true
      const cuttable = Effect.map(this.pull, (pull) =>
        Stream.repeatEffectChunkOption(this.early.until(pull, (why) => Option.some(this.failedFor(why))))
      )
      const pulls = Stream.unwrapScoped(Effect.zipRight(begun, cuttable))
      return Stream.ensuring(
        pulls,
        Effect.suspend(() => {
          if (!this.isAtEnd) return this.cut("discarded")
          this.end()
          return Effect.void
        })
      )
    })
  }
}
