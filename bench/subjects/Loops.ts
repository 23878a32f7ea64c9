import { Effect, type Exit, identity, Scope } from "effect"

/** So many calls, one after the other. */
export const repeated = <A, E>(call: Effect.Effect<A, E>, calls: number): Effect.Effect<void, E> =>
  Effect.gen(function* () {
    for (let made = 0; made < calls; made++) yield* call
  })

/** So many calls inside one fiber, one after the other, as programs make them; `around` is put around them all. */
export const inFiber =
  <A, E>(call: Effect.Effect<A, E>, around: (calls: Effect.Effect<void, E>) => Effect.Effect<void, E> = identity) =>
  (calls: number): Promise<void> =>
    Effect.runPromise(around(repeated(call, calls)))

/** As `inFiber`, of calls that are made anew each time, as those are that differ. */
export const madeEach =
  <A, E>(make: () => Effect.Effect<A, E>) =>
  (calls: number): Promise<void> =>
    Effect.runPromise(
      Effect.gen(function* () {
        for (let made = 0; made < calls; made++) yield* make()
      })
    )

/** As `inFiber`, of calls that fail: whoever catches a failure makes the next call. */
export const caughtInFiber =
  <A, E>(call: Effect.Effect<A, E>) =>
  async (calls: number): Promise<void> => {
    let made = 0
    const next: Effect.Effect<A | void> = Effect.catchAllCause(call, () => (++made < calls ? next : Effect.void))
    await Effect.runPromise(next)
  }

/** So many calls, each entered from outside by `runPromise`. */
export const enteredEach =
  <A, E>(call: Effect.Effect<A, E>) =>
  async (calls: number): Promise<void> => {
    for (let made = 0; made < calls; made++) await Effect.runPromise(call)
  }

/** So many calls of a function that answers with a promise. */
export const awaited =
  (call: () => Promise<unknown>) =>
  async (calls: number): Promise<void> => {
    for (let made = 0; made < calls; made++) await call()
  }

/** As `awaited`, of a function whose promise is rejected. */
export const caughtAwaiting =
  (call: () => Promise<unknown>) =>
  async (calls: number): Promise<void> => {
    for (let made = 0; made < calls; made++) {
      try {
        await call()
      } catch {}
    }
  }

/** Makes something whose scope lasts as long as the process. */
export const lasting = <A, E>(make: Effect.Effect<A, E, Scope.Scope>): Promise<A> =>
  Effect.runPromise(Effect.flatMap(Scope.make(), (scope) => Scope.extend(make, scope)))

/** How an effect ends, and how many milliseconds it took. */
export const ended = async <A, E>(effect: Effect.Effect<A, E>): Promise<readonly [Exit.Exit<A, E>, number]> => {
  const before = performance.now()
  const exit = await Effect.runPromiseExit(effect)
  return [exit, performance.now() - before]
}

/** The call that everything is measured with: asynchronous and successful. */
export const answerAtOnce = (): Promise<number> => Promise.resolve(1)
export const bareCall: Effect.Effect<number> = Effect.promise(answerAtOnce)
