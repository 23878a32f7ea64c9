/** A service with every kind of member that there is, as an instance of a class that is frozen. */
import type { Policy } from "@effect-resilience/core"
import { Context, Deferred, Effect, Either, Option, Queue, Ref, Stream } from "effect"
import { Dependency, type Unavailable } from "./Dependency.js"

export type Errors = Unavailable | Policy.StandardError

export class Other extends Context.Tag("test/Other")<Other, number>() {}

export const refund = Symbol("refund")

export interface Members {
  readonly charge: (cents: number, key: string, ...tags: ReadonlyArray<string>) => Effect.Effect<string, Errors>
  readonly balance: Effect.Effect<number, Errors>
  readonly echo: <T extends { readonly id: string }>(value: T) => Effect.Effect<T, Errors>
  readonly find: {
    (id: string): Effect.Effect<string, Errors>
    (id: number): Effect.Effect<number, Errors>
  }
  readonly events: Stream.Stream<number, Errors>
  readonly eventsOf: <T>(id: T) => Stream.Stream<T, Errors>
  readonly [refund]: (cents: number) => Effect.Effect<string, Errors>
  readonly total: Effect.Effect<number, Errors>
  readonly format: (cents: number) => string
  readonly currency: string
  readonly limits: { readonly most: number }
  readonly nothing: undefined
  readonly last: Option.Option<string>
  readonly lastOf: (id: string) => Option.Option<string>
  readonly parsed: Either.Either<number, string>
  readonly count: Ref.Ref<number>
  readonly ready: Deferred.Deferred<number>
  readonly queue: Queue.Queue<string>
  readonly other: typeof Other
}

export class MembersTag extends Context.Tag("test/Members")<MembersTag, Members>() {}

/** The names of members that are data, and pass through as they are. */
export const data = ["currency", "limits", "nothing", "last", "parsed", "count", "ready", "queue", "other"] as const

class Base {
  protected readonly fee: number = 1
  addFee(cents: number): number {
    return cents + this.fee
  }
}

class Real extends Base implements Members {
  #sum = 0
  private readonly rate = 2
  readonly currency = "EUR"
  readonly limits = { most: 100 }
  readonly nothing = undefined
  readonly last = Option.some("c1")
  readonly parsed = Either.right(1)
  readonly other = Other
  readonly balance: Effect.Effect<number>
  readonly events: Stream.Stream<number>

  constructor(
    private readonly bank: Dependency,
    readonly count: Ref.Ref<number>,
    readonly ready: Deferred.Deferred<number>,
    readonly queue: Queue.Queue<string>
  ) {
    super()
    this.balance = bank.ask(Effect.succeed(42))
    this.events = Stream.concat(Stream.make(1, 2), Stream.fromEffect(bank.ask(Effect.succeed(3))))
  }

  charge(cents: number, key: string, ...tags: ReadonlyArray<string>): Effect.Effect<string> {
    return this.bank.ask(
      Effect.sync(() => {
        this.#sum += this.addFee(cents * this.rate)
        return [`charged ${cents}`, key, ...tags].join(" ")
      })
    )
  }
  echo<T extends { readonly id: string }>(value: T): Effect.Effect<T> {
    return this.bank.ask(Effect.succeed(value))
  }
  find(id: string): Effect.Effect<string>
  find(id: number): Effect.Effect<number>
  find(id: string | number): Effect.Effect<string | number> {
    return this.bank.ask(Effect.succeed(id))
  }
  eventsOf<T>(id: T): Stream.Stream<T> {
    return Stream.fromEffect(this.bank.ask(Effect.succeed(id)))
  }
  [refund](cents: number): Effect.Effect<string> {
    return this.bank.ask(Effect.succeed(`refunded ${cents}`))
  }
  get total(): Effect.Effect<number> {
    return this.bank.ask(Effect.sync(() => this.#sum))
  }
  format(cents: number): string {
    return `${cents} cents of ${this.#sum}`
  }
  lastOf(id: string): Option.Option<string> {
    return Option.some(id)
  }
}

/** The service over a dependency that counts how often it is asked. */
export const frozenMembers = Effect.gen(function* () {
  const bank = new Dependency()
  const count = yield* Ref.make(0)
  const ready = yield* Deferred.make<number>()
  const real: Members = Object.freeze(new Real(bank, count, ready, yield* Queue.unbounded<string>()))
  return { bank, real, isReal: (u: unknown): boolean => u instanceof Real }
})
