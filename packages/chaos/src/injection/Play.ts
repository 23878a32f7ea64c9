/**
 * A plan that has been started: asked about every call, and what it does to the calls that it hits.
 */
import { InvalidOptions, Telemetry } from "@effect-resilience/core"
import { type Clock, Data, Effect, Either, MutableRef, Stream } from "effect"
import { decide, type Hit, initial } from "../plan/Decision.js"
import type { Call, FaultPlan } from "../plan/Model.js"
import { check, type Settings } from "../plan/Settings.js"

/** The defect of a call that was hit by `defect`. */
export class InjectedDefect extends Data.TaggedError("InjectedDefect")<{
  readonly policy: string
  readonly method: string
}> {
  override get message(): string {
    return `a defect was injected into ${this.method} of "${this.policy}"`
  }
}

/** A function behind a name. It is typed by its service, and is asked about calls of that service only. */
interface Asked<out A> {
  about(call: Call): A
}

type Functions<A> = Readonly<Record<string, Asked<A>["about"]>>

/** The functions behind the names of a plan, and how it is played. */
export interface PlayOptions {
  readonly errors?: Functions<unknown> | undefined
  readonly outcomes?: Functions<unknown> | undefined
  readonly predicates?: Functions<boolean> | undefined
  readonly seed?: number | undefined
  readonly gate?: ((call: Call) => boolean) | undefined
}

type Problems = ReadonlyArray<InvalidOptions.Problem>

const unknownName = (path: string, name: string | undefined, known: ReadonlyArray<string>, of: string): Problems =>
  name === undefined || known.includes(name)
    ? []
    : [
        {
          option: path,
          value: JSON.stringify(name),
          allowed: known.length === 0 ? `in ${of}, which has none` : `in ${of}: ${known.join(", ")}`
        }
      ]

const namesIn = (functions: object | undefined): ReadonlyArray<string> => Object.keys(functions ?? {})

/** Every name that a plan mentions and nobody has given. */
const unknownNames = (
  { parts }: Settings,
  options: PlayOptions,
  methods: ReadonlyArray<string> | undefined
): Problems =>
  parts
    .flatMap(({ settings }) => settings)
    .flatMap(({ fault, path }) => [
      ...(fault.kind === "fault" || fault.kind === "lostReply"
        ? unknownName(`${path}error`, fault.error, namesIn(options.errors), "errors")
        : []),
      ...(fault.kind === "outcome"
        ? unknownName(`${path}outcome`, fault.outcome, namesIn(options.outcomes), "outcomes")
        : []),
      ...unknownName(`${path}when`, fault.when, namesIn(options.predicates), "predicates"),
      ...(methods === undefined
        ? []
        : (fault.methods ?? []).flatMap((name) => unknownName(`${path}methods`, name, methods, "the service")))
    ])

/** Never answers. Unlike `Effect.never` it arms no timer, which would be one more for a virtual clock to wait for. */
const silence: Effect.Effect<never> = Effect.async<never>(() => {})

const longestMillis = 2_147_483_647

/** How a call goes on: for real, with an answer instead, or with one after what really happened. */
type Ending =
  | { readonly _tag: "Real" }
  | { readonly _tag: "Instead" | "After"; readonly answer: Effect.Effect<unknown, unknown> }

const real: Ending = { _tag: "Real" }

/** A plan at work. `name` is that of the service, for telemetry. */
export class Play {
  private readonly state: MutableRef.MutableRef<ReturnType<typeof initial>>

  private constructor(
    private readonly name: string,
    private readonly settings: Settings,
    private readonly options: PlayOptions,
    private readonly startMillis: number
  ) {
    this.state = MutableRef.make(initial(settings, options.seed ?? 0))
  }

  /** Starts a plan now. Dies with `InvalidOptions` for one that cannot be meant, or that mentions what there is not. */
  static readonly start = (
    name: string,
    plan: FaultPlan,
    options: PlayOptions,
    methods?: ReadonlyArray<string>
  ): Effect.Effect<Play> => {
    const seed = options.seed ?? 0
    const checked = InvalidOptions.every<{ settings: Settings; seed: number }>({
      settings: Either.flatMap(check(plan), (settings) => {
        const problems = unknownNames(settings, options, methods)
        return problems.length > 0 ? Either.left(problems) : Either.right(settings)
      }),
      seed: InvalidOptions.integer("seed", seed, -longestMillis, longestMillis)
    })
    return Effect.flatMap(InvalidOptions.orDie(name, checked), ({ settings }) =>
      Effect.clockWith((clock) => Effect.sync(() => new Play(name, settings, options, millis(clock))))
    )
  }

  /** The effect as a call of this method: what happens to it is decided each time that it runs. */
  readonly effect = (
    self: Effect.Effect<unknown, unknown, unknown>,
    method: string,
    args: ReadonlyArray<unknown>
  ): Effect.Effect<unknown, unknown, unknown> =>
    this.arriving(method, args, (hits, call) => {
      const ending = this.ending(hits, call)
      if (ending._tag === "Real") return delayed(hits, self)
      return delayed(
        hits,
        ending._tag === "Instead" ? ending.answer : Effect.zipRight(Effect.ignore(self), ending.answer)
      )
    })

  /** The same of a Stream: what is injected comes before its first element, or once it has ended if its reply is lost. */
  readonly stream = (
    self: Stream.Stream<unknown, unknown, unknown>,
    method: string,
    args: ReadonlyArray<unknown>
  ): Stream.Stream<unknown, unknown, unknown> =>
    Stream.unwrap(
      this.arriving(method, args, (hits, call) => {
        const ending = this.ending(hits, call)
        if (ending._tag === "Real") return delayed(hits, Effect.succeed(self))
        const then = Stream.fromEffect(ending.answer)
        return delayed(
          hits,
          Effect.succeed(
            ending._tag === "Instead"
              ? then
              : Stream.concat(
                  Stream.catchAll(Stream.drain(self), () => Stream.empty),
                  then
                )
          )
        )
      })
    )

  /** The clock is read and the plan asked in one synchronous step. */
  private readonly arriving = <A>(
    method: string,
    args: ReadonlyArray<unknown>,
    then: (hits: ReadonlyArray<Hit>, call: Call) => Effect.Effect<A, unknown, unknown>
  ): Effect.Effect<A, unknown, unknown> =>
    Effect.clockWith((clock) =>
      Effect.withFiberRuntime((fiber) => {
        const at = millis(clock)
        const call: Call = { method, args, now: at - this.startMillis }
        if (this.options.gate?.(call) === false) return then([], call)
        const holds = (predicate: string) => this.options.predicates?.[predicate]?.(call) ?? false
        const [hits, next] = decide(this.settings, MutableRef.get(this.state), call, holds)
        MutableRef.set(this.state, next)
        for (const { delayMillis, fault } of hits) {
          Telemetry.publish(fiber, () => ({
            _tag: "FaultInjected",
            policy: this.name,
            at,
            method,
            fault: fault.kind,
            delay: delayMillis,
            chaos: true
          }))
        }
        return then(hits, call)
      })
    )

  private ending(hits: ReadonlyArray<Hit>, call: Call): Ending {
    const fault = hits.at(-1)?.fault
    switch (fault?.kind) {
      case undefined:
      case "latency":
        return real
      case "fault":
        return { _tag: "Instead", answer: this.failure(fault.error, call) }
      case "defect":
        return { _tag: "Instead", answer: Effect.die(new InjectedDefect({ policy: this.name, method: call.method })) }
      case "outcome": {
        const { outcome } = fault
        return { _tag: "Instead", answer: Effect.sync(() => this.options.outcomes?.[outcome]?.(call)) }
      }
      case "hang":
        return { _tag: "Instead", answer: silence }
      case "interrupt":
        return { _tag: "Instead", answer: Effect.interrupt }
      case "lostReply":
        return { _tag: "After", answer: fault.error === undefined ? silence : this.failure(fault.error, call) }
    }
  }

  private failure(name: string, call: Call): Effect.Effect<never, unknown> {
    return Effect.failSync(() => this.options.errors?.[name]?.(call))
  }
}

const millis = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)

const delayed = <A>(
  hits: ReadonlyArray<Hit>,
  self: Effect.Effect<A, unknown, unknown>
): Effect.Effect<A, unknown, unknown> => {
  const delay = hits.reduce((sum, { delayMillis }) => sum + (delayMillis ?? 0), 0)
  return delay === 0 ? self : Effect.zipRight(Effect.sleep(Math.min(delay, longestMillis)), self)
}
