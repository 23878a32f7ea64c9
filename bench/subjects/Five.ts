/**
 * The same five policies four times over: a fallback around a bulkhead of 50, a breaker at half of 20 calls in 30
 * seconds, two retries and a timeout. Each is proved to do what it is for, at settings that make the proof quick.
 */
import { Backoff, Fallback, Outcome, Policy } from "@effect-resilience/core"
import * as cockatiel from "cockatiel"
import { Clock, Data, Effect, Ref, Schedule } from "effect"
import Opossum from "opossum"
import pLimit from "p-limit"
import pRetry from "p-retry"
import pTimeout from "p-timeout"
import { mustHold } from "../harness/Question.js"
import { lasting } from "./Loops.js"

/** What differs between the measured five and the proved five. */
export interface Settings {
  readonly timeoutMillis: number
  readonly backoffMillis: number
  readonly maxConcurrent: number
  readonly deadline: "none" | "10 seconds"
}

export const measured: Settings = { timeoutMillis: 2000, backoffMillis: 100, maxConcurrent: 50, deadline: "none" }
export const proved: Settings = { timeoutMillis: 30, backoffMillis: 1, maxConcurrent: 3, deadline: "none" }

class Unavailable extends Data.TaggedError("Unavailable") {
  get [Outcome.OutcomeTypeId](): Outcome.Outcome {
    return Outcome.failure({ transient: true })
  }
}
class CallTimedOut extends Data.TaggedError("CallTimedOut") {}
class CircuitIsOpen extends Data.TaggedError("CircuitIsOpen") {}

export type Protect = <E>(self: Effect.Effect<number, E>) => Effect.Effect<number>

/** Ours: `Policy.standard`, and a chain of one fallback around it. */
export const ours = async (of: Settings): Promise<{ readonly policy: Policy.Standard; readonly protect: Protect }> => {
  const policy = await lasting(
    Policy.standard("bench", {
      deadline: of.deadline,
      timeout: of.timeoutMillis,
      retry: { maxRetries: 2, backoff: Backoff.fullJitter({ base: of.backoffMillis, cap: "2 seconds" }) },
      bulkhead: { maxConcurrent: of.maxConcurrent }
    })
  )
  const protect: Protect = (self) =>
    policy.protect(self).pipe(
      Fallback.primary,
      Fallback.tier("none", { kind: "static" }, () => Effect.succeed(0)),
      Fallback.value
    )
  return { policy, protect }
}

interface Circuit {
  readonly calls: number
  readonly failures: number
  readonly windowFrom: number
  readonly openUntil: number
}

/** The breaker that one writes around a `Ref`. */
const refBreaker = (cell: Ref.Ref<Circuit>) => {
  const counted = (failed: boolean) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Ref.update(cell, (before) => {
        const state = now - before.windowFrom < 30_000 ? before : { ...before, calls: 0, failures: 0, windowFrom: now }
        const calls = state.calls + 1
        const failures = state.failures + (failed ? 1 : 0)
        const trips = calls >= 20 && failures / calls >= 0.5
        return { ...state, calls, failures, openUntil: trips ? now + 30_000 : state.openUntil }
      })
    )
  return <A, E>(self: Effect.Effect<A, E>): Effect.Effect<A, E | CircuitIsOpen> =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis
      const { openUntil } = yield* Ref.get(cell)
      if (now < openUntil) return yield* new CircuitIsOpen()
      return yield* Effect.onExit(self, (exit) => counted(exit._tag === "Failure"))
    })
}

/** The same five from Effect's own operators. */
export const stock = async (of: Settings): Promise<Protect> => {
  const cell = await Effect.runPromise(Ref.make<Circuit>({ calls: 0, failures: 0, windowFrom: 0, openUntil: 0 }))
  const breaker = refBreaker(cell)
  const semaphore = await Effect.runPromise(Effect.makeSemaphore(of.maxConcurrent))
  const schedule = Schedule.exponential(of.backoffMillis).pipe(
    Schedule.jittered,
    Schedule.intersect(Schedule.recurs(2))
  )
  return (self) =>
    self.pipe(
      Effect.timeoutFail({ duration: of.timeoutMillis, onTimeout: () => new CallTimedOut() }),
      Effect.retry({ schedule }),
      breaker,
      semaphore.withPermits(1),
      Effect.catchAll(() => Effect.succeed(0))
    )
}

/** The same five of cockatiel. */
export const ofCockatiel = (of: Settings) => {
  const { circuitBreaker, bulkhead, fallback, handleAll, retry, timeout, wrap } = cockatiel
  return wrap(
    fallback(handleAll, 0),
    bulkhead(of.maxConcurrent, 0),
    circuitBreaker(handleAll, {
      halfOpenAfter: 30_000,
      breaker: new cockatiel.SamplingBreaker({ threshold: 0.5, duration: 30_000, minimumRps: 20 / 30 })
    }),
    retry(handleAll, { maxAttempts: 2, backoff: new cockatiel.ExponentialBackoff({ initialDelay: of.backoffMillis }) }),
    timeout(of.timeoutMillis, cockatiel.TimeoutStrategy.Aggressive)
  )
}

/** The same five of four libraries that each do one thing or two. */
export const ofSeveral = (of: Settings) => {
  const attempt = (work: () => Promise<number>) => pTimeout(work(), { milliseconds: of.timeoutMillis })
  const attempts = (work: () => Promise<number>) =>
    pRetry(() => attempt(work), { retries: 2, minTimeout: of.backoffMillis, randomize: true })
  const breaker = new Opossum(attempts, {
    timeout: false,
    errorThresholdPercentage: 50,
    volumeThreshold: 20,
    rollingCountTimeout: 30_000,
    resetTimeout: 30_000
  })
  breaker.fallback(() => 0)
  const limit = pLimit(of.maxConcurrent)
  return (work: () => Promise<number>): Promise<unknown> => limit(() => breaker.fire(work))
}

type Run = (work: () => Promise<number>) => Promise<unknown>

const proveRun = async (who: string, run: Run): Promise<void> => {
  let worked = 0
  const failing = () => {
    worked++
    return Promise.reject(new Unavailable())
  }
  mustHold((await run(() => Promise.resolve(1))) === 1, `${who} loses the answer`)
  mustHold((await run(failing)) === 0, `${who} has no fallback`)
  mustHold(Number(worked) === 3, `${who} makes ${worked} calls where two retries are asked for`)
  const before = performance.now()
  mustHold((await run(() => new Promise(() => {}))) === 0, `${who} answers a hanging call with a value`)
  mustHold(performance.now() - before < 5000, `${who} does not time out`)
  for (const burst of [1, 2]) {
    let active = 0
    let most = 0
    const slow = async () => {
      most = Math.max(most, ++active)
      await new Promise((resolve) => setTimeout(resolve, 5))
      active--
      return 1
    }
    await Promise.all(Array.from({ length: 8 }, () => run(slow)))
    mustHold(most === 3, `${who} lets ${most} in where 3 may be, in burst ${burst}`)
  }
  for (let failures = 0; failures < 40; failures++) await run(failing)
  const open = worked
  mustHold((await run(failing)) === 0 && worked === open, `${who} does not open its circuit`)
}

const asked =
  (protect: Protect): Run =>
  (work) =>
    Effect.runPromise(protect(Effect.tryPromise({ try: work, catch: () => new Unavailable() })))

/** Throws unless timeout, retry, breaker, bulkhead and fallback of all four do what they are for. */
export const prove = async (): Promise<void> => {
  const peer = ofCockatiel(proved)
  await Promise.all([
    ours(proved).then(({ protect }) => proveRun("Policy.standard", asked(protect))),
    stock(proved).then((protect) => proveRun("the stock operators", asked(protect))),
    proveRun("cockatiel", (work) => peer.execute(() => work())),
    proveRun("opossum with p-limit, p-retry and p-timeout", ofSeveral(proved))
  ])
}
