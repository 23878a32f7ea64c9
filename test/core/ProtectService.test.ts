import { Backoff, CircuitBreaker, Policy } from "@effect-resilience/core"
import { describe, expect, it } from "@effect/vitest"
import { Context, Data, Deferred, Effect, Either, type Exit, Fiber, Layer, Option, Queue, Ref, Stream } from "effect"
import { Dependency, Unavailable } from "../support/Dependency.js"
import { begin, failureOf } from "../support/Passing.js"
import { play } from "../support/Play.js"

type Errors = Unavailable | Policy.StandardError

class Other extends Context.Tag("test/Other")<Other, number>() {}

interface Service {
  readonly charge: (cents: number) => Effect.Effect<string, Errors>
  readonly status: (id: string) => Effect.Effect<string, Errors>
  readonly balance: Effect.Effect<number, Errors>
  readonly echo: <T>(value: T) => Effect.Effect<T, Errors>
  readonly find: {
    (id: string): Effect.Effect<string, Errors>
    (id: number): Effect.Effect<number, Errors>
  }
  readonly format: (cents: number) => string
  readonly currency: string
  readonly limits: { readonly most: number }
  readonly nothing: undefined
  readonly last: Option.Option<string>
  readonly lastOf: (id: string) => Option.Option<string>
  readonly parsed: Either.Either<number, string>
  readonly count: Ref.Ref<number>
  readonly ready: Deferred.Deferred<void>
  readonly queue: Queue.Queue<string>
  readonly reader: Queue.Dequeue<string>
  readonly worker: Fiber.Fiber<void>
  readonly other: typeof Other
  readonly events: Stream.Stream<number, Errors>
  readonly eventsOf: (id: string) => Stream.Stream<number, Errors>
}

class Payments extends Context.Tag("test/Payments")<Payments, Service>() {}
class PaymentPolicy extends Context.Tag("test/PaymentPolicy")<PaymentPolicy, Policy.Standard>() {}

const options: Policy.StandardOptions = {
  timeout: "1 second",
  retry: { maxRetries: 2, backoff: Backoff.constant("100 millis") },
  circuitBreaker: { tripPolicy: CircuitBreaker.consecutive(1), openJitter: 0 },
  bulkhead: { maxConcurrent: 1 }
}

const policy = Policy.layer(PaymentPolicy, "payment", options)

/** Protected by a policy whose circuit opens at the first failure. */
const safeBy = (repeatable: ReadonlyArray<keyof Service> = []) =>
  Policy.protectService(Payments, PaymentPolicy, { repeatable })

/** The service over a dependency, for real and protected. */
const services = (repeatable: ReadonlyArray<keyof Service> = []) =>
  Effect.gen(function* () {
    const bank = new Dependency()
    const unavailable = Effect.fail(new Unavailable({}))
    function find(id: string): Effect.Effect<string>
    function find(id: number): Effect.Effect<number>
    function find(id: string | number): Effect.Effect<string | number> {
      return bank.ask(Effect.succeed(id))
    }
    const real: Service = {
      charge: (cents) => (cents < 0 ? bank.ask(unavailable) : bank.ask(Effect.succeed(`charged ${cents}`))),
      status: () => bank.ask(unavailable),
      balance: bank.ask(Effect.succeed(42)),
      echo: (value) => bank.ask(Effect.succeed(value)),
      find,
      format: (cents) => `${cents} cents`,
      currency: "EUR",
      limits: { most: 100 },
      nothing: undefined,
      last: Option.some("c1"),
      lastOf: Option.some,
      parsed: Either.right(1),
      count: yield* Ref.make(0),
      ready: yield* Deferred.make<void>(),
      queue: yield* Queue.unbounded<string>(),
      reader: yield* Queue.unbounded<string>(),
      worker: yield* Effect.fork(Effect.void),
      other: Other,
      events: Stream.concat(Stream.make(1, 2), Stream.fromEffect(bank.ask(Effect.succeed(3)))),
      eventsOf: () => Stream.fromEffect(bank.ask(unavailable))
    }
    const context = yield* Layer.build(
      Layer.provideMerge(safeBy(repeatable).pipe(Layer.provide(Layer.succeed(Payments, Object.freeze(real)))), policy)
    )
    const circuit = Effect.flatMap(Context.get(context, PaymentPolicy).circuitBreaker, (breaker) => breaker.state)
    return { bank, real, safe: Context.get(context, Payments), circuit: Effect.orDie(circuit) }
  })

const isOpen = (exit: Exit.Exit<unknown, unknown>) => failureOf(exit) instanceof CircuitBreaker.CircuitOpen

describe("a protected service", () => {
  it.scoped("protects functions that give effects, effects, generic functions and every overload", () =>
    Effect.gen(function* () {
      const { bank, safe } = yield* services()
      expect(yield* safe.charge(5)).toBe("charged 5")
      expect(yield* safe.balance).toBe(42)
      expect(yield* safe.echo({ id: 1 as const })).toEqual({ id: 1 })
      expect([yield* safe.find("a"), yield* safe.find(1)]).toEqual(["a", 1])
      expect(failureOf(yield* Effect.exit(safe.charge(-1)))).toBeInstanceOf(Unavailable)
      const asked = bank.asked
      for (const call of [safe.charge(5), safe.balance, safe.echo(1), safe.find("a"), safe.find(1)]) {
        expect(isOpen(yield* Effect.exit<unknown, unknown, never>(call))).toBe(true)
      }
      expect(bank.asked).toBe(asked)
    })
  )

  it.scoped("puts the whole policy around a call: timeout, permits", () =>
    Effect.gen(function* () {
      const hanging: Service = { ...(yield* services()).real, charge: () => Effect.never }
      const layer = safeBy().pipe(Layer.provide([Layer.succeed(Payments, hanging), policy]))
      const safe = yield* Effect.map(Layer.build(layer), Context.get(Payments))
      const first = yield* begin(safe.charge(1))
      expect(failureOf(yield* Effect.exit(safe.charge(2)))).toMatchObject({ _tag: "BulkheadFull", policy: "payment" })
      yield* Fiber.interrupt(first)
      const played = yield* play(safe.charge(3), "10 seconds")
      expect(failureOf(played.exit)).toMatchObject({ _tag: "TimedOut", policy: "payment" })
    })
  )

  it.scoped("repeats only what is named in `repeatable`", () =>
    Effect.gen(function* () {
      const { bank, safe } = yield* services(["status"])
      yield* play(safe.status("a"), "1 second")
      expect(bank.asked).toBe(3)
      const unnamed = yield* services()
      yield* play(unnamed.safe.status("a"), "1 second")
      expect(unnamed.bank.asked).toBe(1)
    })
  )

  it.scoped("protects Streams and functions that give them: how they are opened, and the permit until they end", () =>
    Effect.gen(function* () {
      const { bank, safe } = yield* services()
      expect(safe.events).toBe(safe.events)
      expect(Array.from(yield* Stream.runCollect(safe.events))).toEqual([1, 2, 3])
      const pull = yield* Stream.toPull(safe.events)
      yield* pull
      expect(failureOf(yield* Effect.exit(safe.charge(1)))).toMatchObject({ _tag: "BulkheadFull" })
      yield* pull
      expect(yield* Effect.flip(pull)).toEqual(Option.none())
      expect(yield* safe.charge(1)).toBe("charged 1")
      const { asked } = bank
      expect(failureOf(yield* Effect.exit(Stream.runDrain(safe.eventsOf("a"))))).toBeInstanceOf(Unavailable)
      expect(isOpen(yield* Effect.exit(Stream.runDrain(safe.eventsOf("a"))))).toBe(true)
      expect(isOpen(yield* Effect.exit(Stream.runDrain(safe.events)))).toBe(true)
      expect(bank.asked).toBe(asked + 1)
    })
  )

  it.scoped("opens a Stream again only if it is named in `repeatable`", () =>
    Effect.gen(function* () {
      const { bank, safe } = yield* services(["eventsOf"])
      yield* play(Stream.runDrain(safe.eventsOf("a")), "1 second")
      expect(bank.asked).toBe(3)
      const unnamed = yield* services()
      yield* play(Stream.runDrain(unnamed.safe.eventsOf("a")), "1 second")
      expect(unnamed.bank.asked).toBe(1)
    })
  )

  it.scoped("passes everything else through: plain values, and data that is an Effect by type only", () =>
    Effect.gen(function* () {
      const { real, safe } = yield* services()
      const data = [
        "currency",
        "limits",
        "nothing",
        "last",
        "parsed",
        "count",
        "ready",
        "queue",
        "reader",
        "worker",
        "other"
      ] as const
      for (const key of data) expect(safe[key]).toBe(real[key])
      expect(safe.format(5)).toBe("5 cents")
      expect(safe.lastOf("c2")).toEqual(Option.some("c2"))
      yield* Ref.update(safe.count, (n) => n + 1)
      expect(yield* Ref.get(real.count)).toBe(1)
      yield* Queue.offer(safe.queue, "message")
      expect(yield* Queue.take(real.queue)).toBe("message")
      expect(yield* Effect.provideService(safe.other, Other, 7)).toBe(7)
    })
  )

  it.scoped("passes such data through where the circuit is open too", () =>
    Effect.gen(function* () {
      const { circuit, safe } = yield* services()
      yield* Effect.exit(safe.charge(-1))
      expect(yield* circuit).toBe("Open")
      expect(yield* Ref.get(safe.count)).toBe(0)
      expect(yield* safe.last).toBe("c1")
    })
  )

  it.scoped("leaves the real service as it was, and works with one that is frozen", () =>
    Effect.gen(function* () {
      const { bank, real, safe } = yield* services()
      yield* Effect.exit(safe.charge(-1))
      expect(isOpen(yield* Effect.exit(safe.charge(1)))).toBe(true)
      expect(yield* real.charge(1)).toBe("charged 1")
      expect(bank.asked).toBe(2)
      expect(Object.isFrozen(real)).toBe(true)
    })
  )

  it.scoped("has the same members as the real one, and gives the same function for the same method", () =>
    Effect.gen(function* () {
      const { real, safe } = yield* services()
      expect(Object.keys(safe)).toEqual(Object.keys(real))
      expect(safe.charge).toBe(safe.charge)
      expect("missing" in safe).toBe(false)
    })
  )
})

describe("a service that is an instance of a class", () => {
  interface Till {
    readonly charge: (cents: number) => Effect.Effect<number, Policy.StandardError>
    readonly total: Effect.Effect<number, Policy.StandardError>
    readonly currency: string
  }
  class TillTag extends Context.Tag("test/Till")<TillTag, Till>() {}

  class Base {
    protected readonly fee: number = 1
    addFee(cents: number) {
      return Effect.sync(() => cents + this.fee)
    }
  }

  class RealTill extends Base implements Till {
    #sum = 0
    private readonly rate = 2
    charge(cents: number) {
      return Effect.map(this.addFee(cents * this.rate), (sum) => (this.#sum += sum))
    }
    get total() {
      return Effect.sync(() => this.#sum)
    }
    get currency() {
      return this.#sum > 0 ? "EUR" : "none"
    }
  }

  const till = (real: Till) =>
    Layer.build(
      Policy.protectService(TillTag, PaymentPolicy).pipe(
        Layer.provideMerge(policy),
        Layer.provide(Layer.succeed(TillTag, real))
      )
    )

  it.scoped("keeps its private fields, its getters and what it inherits", () =>
    Effect.gen(function* () {
      const context = yield* till(Object.freeze(new RealTill()))
      const safe = Context.get(context, TillTag)
      expect(safe.currency).toBe("none")
      expect(yield* safe.charge(10)).toBe(21)
      expect(yield* safe.total).toBe(21)
      expect(safe.currency).toBe("EUR")
      expect(safe).toBeInstanceOf(RealTill)
    })
  )

  it.scoped("is protected in its methods and its getters", () =>
    Effect.gen(function* () {
      const context = yield* till(new RealTill())
      const safe = Context.get(context, TillTag)
      const breaker = yield* Effect.orDie(Context.get(context, PaymentPolicy).circuitBreaker)
      yield* Effect.exit(breaker.protect(new Unavailable({})))
      expect(isOpen(yield* Effect.exit(safe.charge(10)))).toBe(true)
      expect(isOpen(yield* Effect.exit(safe.total))).toBe(true)
    })
  )
})

describe("protectServiceAs", () => {
  class Declined extends Data.TaggedError("Declined") {}

  interface Bare {
    readonly charge: (cents: number) => Effect.Effect<string, Declined>
    readonly last: Option.Option<string>
  }
  class BareTag extends Context.Tag("test/Bare")<BareTag, Bare>() {}
  class SafeTag extends Context.Tag("test/Safe")<SafeTag, Policy.Protected<Bare>>() {}

  it.scoped("puts the policy around a service under another tag, and leaves the bare one where it is", () =>
    Effect.gen(function* () {
      const bank = new Dependency()
      const declined = bank.ask(Effect.fail(new Declined()))
      const bare = Layer.succeed(BareTag, { charge: () => declined, last: Option.none() })
      const safe = Policy.protectServiceAs(BareTag, PaymentPolicy, SafeTag, { repeatable: ["charge"] })
      const context = yield* Layer.build(safe.pipe(Layer.provideMerge(Layer.merge(bare, policy))))
      const charge = Context.get(context, SafeTag).charge(1)
      expect(failureOf(yield* Effect.exit(charge))).toBeInstanceOf(Declined)
      expect(yield* Effect.catchTag(charge, "CircuitOpen", (open) => Effect.succeed(open.policy))).toBe("payment")
      expect(failureOf(yield* Effect.exit(Context.get(context, BareTag).charge(1)))).toBeInstanceOf(Declined)
      expect(Context.get(context, SafeTag).last).toEqual(Option.none())
      expect(bank.asked).toBe(2)
    })
  )
})
