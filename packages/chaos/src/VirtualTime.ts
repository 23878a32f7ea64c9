/**
 * Runs a program in virtual time: whenever no fiber can run, time jumps to the next timer. For tests of outages that last
 * minutes, and for simulations: an hour of an ordinary program passes in milliseconds, tens of thousands of wake-ups a second.
 *
 * The same program with the same seed runs the same way each time. Fibers take turns first come first served, those whose
 * time has come at the same moment are woken together, in the order in which they fell asleep, and all random numbers of
 * `Random` come from the seed. Time from outside Effect (`Date.now`) and chance from outside (`Math.random`) are neither
 * virtual nor seeded.
 *
 * What is real has no place in it. A promise that needs nothing but microtasks (up to 32 in a row) resolves at once; at
 * whatever else waits for the host, and at fibers that wait for each other, the run is refused with `WaitsForRealTime`. While
 * a timer is armed such a wait looks like a dependency that hangs: under a limit of time it loses, always.
 *
 * Limits: `TestClock` has no say inside. Programs that are started inside on a runtime of their own (`ManagedRuntime`,
 * `Effect.runPromise`) live in real time, unless the runtime was taken inside (`Effect.runtime`). What the program does to
 * `FiberRef`s stays inside. A scope of the caller's is closed by the caller, after the run and in the caller's time.
 */
import { InvalidOptions } from "@effect-resilience/core"
import { Cause, type Duration, Effect, Exit, FiberRef, FiberRefs, Random, Runtime, type Fiber } from "effect"
import { dual } from "effect/Function"
import { Drive, type Rest } from "./virtual/Drive.js"
import { type NeverEnds, type WaitsForRealTime } from "./virtual/Refusals.js"
import { World } from "./virtual/World.js"

export { NeverEnds, WaitsForRealTime } from "./virtual/Refusals.js"

/** The options of a run. */
export interface Options {
  /** What random numbers follow from: any string or finite number. Default 0. */
  readonly seed?: number | string | undefined
  /** What the clock shows at the beginning, in milliseconds since 1970. A whole number from 0 to 8.64e15; default 0. */
  readonly start?: number | undefined
  /**
   * How much virtual time may pass, so that a program that never ends, such as one kept going by a heartbeat, is refused with
   * `NeverEnds`. From 1 ms to 24.8 days; default 1 day.
   */
  readonly limit?: Duration.DurationInput | undefined
  /**
   * How many turns fibers may take in all without any time passing, so that one that spins is refused with `NeverEnds`. From 1
   * to 1,000,000,000; default 1,000,000.
   */
  readonly turns?: number | undefined
}

interface Settings {
  readonly seed: number | string
  readonly startMillis: number
  readonly limitMillis: number
  readonly turns: number
}

const settings = (options: Options): InvalidOptions.Checked<Settings> => {
  const seed = options.seed ?? 0
  return InvalidOptions.every<Settings>({
    seed:
      typeof seed === "string" ? InvalidOptions.valid(seed) : InvalidOptions.atLeast("seed", seed, -Number.MAX_VALUE),
    startMillis: InvalidOptions.integer("start", options.start ?? 0, 0, 8_640_000_000_000_000),
    limitMillis: InvalidOptions.span("limit", options.limit ?? "1 day"),
    turns: InvalidOptions.integer("turns", options.turns ?? 1_000_000, 1)
  })
}

interface Begun<A, E> {
  readonly drive: Drive
  readonly world: World
  /** How the program ended, once all has. */
  readonly exit: () => Exit.Exit<A, E>
}

/** Begins the program in a world of its own, where nothing moves yet. */
const begin = <A, E, R>(
  program: Effect.Effect<A, E, R>,
  runtime: Runtime.Runtime<R>,
  options: Settings
): Begun<A, E> => {
  const refs = runtime.fiberRefs
  const world = new World(options.startMillis, FiberRefs.getOrDefault(refs, FiberRef.currentScheduler))
  const drive = new Drive(world, options)
  let exit: Exit.Exit<A, E> = Exit.die("the program has not ended")
  const begun = (main: Fiber.RuntimeFiber<A, E>) =>
    main.addObserver((ended) => {
      exit = ended
      drive.end()
    })
  // By a fiber that forks it, so that it is nobody's child and has nothing of who was interrupted outside.
  const main = program.pipe(Effect.forkDaemon, Effect.map(begun), Effect.supervised(world.roll))
  const inside = main.pipe(Effect.withClock(world), Effect.withRandom(Random.make(options.seed)))
  Runtime.runFork(runtime, inside, {
    scheduler: world,
    updateRefs: (all, fiberId) =>
      FiberRefs.updateAs(all, { fiberId, fiberRef: FiberRef.interruptedCause, value: Cause.empty })
  })
  return { drive, world, exit: () => exit }
}

/** Ends what is left, and leaves to real time what cannot be ended. */
const ended = <A, E>({ drive, world }: Begun<A, E>): Effect.Effect<void> =>
  Effect.suspend(() => {
    drive.abort()
    return Effect.ensuring(
      Effect.asVoid(drive.toRest),
      Effect.sync(() => world.close())
    )
  })

const moved = <A, E>(begun: Begun<A, E>): Effect.Effect<A, E | WaitsForRealTime | NeverEnds> =>
  Effect.uninterruptibleMask((restore) => {
    const answer = (rest: Rest): Effect.Effect<A, E | WaitsForRealTime | NeverEnds> =>
      rest === "ended" ? begun.exit() : rest
    return restore(begun.drive.toRest).pipe(Effect.ensuring(ended(begun)), Effect.flatMap(answer))
  })

/** Lets the world that the caller may be in stand still meanwhile. */
const standingStill = <A, E, R>(outer: unknown, self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  outer instanceof World
    ? Effect.acquireUseRelease(
        Effect.sync(() => outer.inner++),
        () => self,
        () => Effect.sync(() => outer.inner--)
      )
    : self

/**
 * Runs a program on a clock, a scheduler and a `Random` of its own. It ends as the program does. Daemons that are left then
 * are interrupted, and the run waits, in virtual time, until they have ended. An interruption of the run interrupts the
 * program and everything it has begun, whose finalizers run in virtual time too.
 *
 * Fails with `WaitsForRealTime` if the program waits for something real, with `NeverEnds` if it does not end within `limit`,
 * once it was interrupted and has ended; what cannot be ended then is left behind, in real time. Dies with `InvalidOptions`.
 *
 * @example
 * ```ts
 * import { VirtualTime } from "@effect-resilience/chaos"
 * import { Clock, Effect, Random } from "effect"
 *
 * const patient = Effect.gen(function* () {
 *   yield* Effect.sleep("3 hours")
 *   return [yield* Clock.currentTimeMillis, yield* Random.nextIntBetween(0, 100)]
 * })
 *
 * const twice = Effect.replicateEffect(VirtualTime.run(patient, { seed: "monday" }), 2)
 * Effect.runPromise(twice).then(([one, other]) => console.log(one, String(one) === String(other)))
 * ```
 */
export const run: {
  (options?: Options): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | WaitsForRealTime | NeverEnds, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, options?: Options): Effect.Effect<A, E | WaitsForRealTime | NeverEnds, R>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, E, R>(
    program: Effect.Effect<A, E, R>,
    options: Options = {}
  ): Effect.Effect<A, E | WaitsForRealTime | NeverEnds, R> =>
    Effect.flatMap(InvalidOptions.orDie("VirtualTime.run", settings(options)), (checked) =>
      Effect.flatMap(Effect.runtime<R>(), (runtime) =>
        standingStill(
          FiberRefs.getOrDefault(runtime.fiberRefs, FiberRef.currentScheduler),
          Effect.suspend(() => moved(begin(program, runtime, checked)))
        )
      )
    )
)
