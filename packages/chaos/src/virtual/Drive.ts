/**
 * Moves a world: lets everything run that can, and when nothing can any more goes on to the next timer.
 *
 * Between the two the host gets a fixed number of its microtasks, so that a promise that needs nothing but those resolves
 * without any virtual time passing; counted, so that it is the same in every run. Only now and then, and by count as well,
 * the host gets a whole turn, in which interruptions from outside come through. What resumes a fiber in such a turn when
 * nothing could run is something real.
 */
import { Clock, Duration, Effect, Exit } from "effect"
import { NeverEnds, WaitsForRealTime } from "./Refusals.js"
import type { World } from "./World.js"

export interface Limits {
  /** How much virtual time may pass, in milliseconds. */
  readonly limitMillis: number
  /** How many turns fibers may take without any time passing. */
  readonly turns: number
}

/** How a world that was moved came to rest: all fibers have ended, or it is refused. */
export type Rest = "ended" | WaitsForRealTime | NeverEnds

/** Enough for an `async` function that awaits a few dozen others which are done. */
const microtasks = 32

/** How many tasks run at a stretch: some hundredths of a second. */
const stretch = 10_000

const resolved = Promise.resolve()
const host = Clock.make()

/** A turn of the host's own: what is due there, such as an interruption, happens before it resumes. */
const hostTurn = host.sleep(Duration.zero)

/** What to do once a stretch of work is done. */
type Next = "microtask" | "host turn" | "wait" | Rest

export class Drive {
  private isMoving = false
  private isWaiting = false
  /** Whether a task that comes now comes from something real. */
  private isListening = false
  private heardSomethingReal = false
  private turnsHere = 0
  private ranSinceHostTurn = 0
  private microtasksGiven = 0
  /** Whether everything is to come to an end. */
  private isEnding = false
  private limitMillis: number

  constructor(
    private readonly world: World,
    private readonly limits: Limits
  ) {
    this.limitMillis = limits.limitMillis
    world.onTask = () => {
      this.heardSomethingReal ||= this.isListening
      if (!this.isWaiting) return
      this.isWaiting = false
      void resolved.then(this.microtask)
    }
  }

  /** Ends every fiber there is and will be. */
  readonly end = (): void => {
    this.isEnding = true
    this.world.interruptAll()
  }

  /** As `end`, with as much time for it as the run had. */
  readonly abort = (): void => {
    this.end()
    this.limitMillis = this.world.elapsedMillis + this.limits.limitMillis
    this.turnsHere = 0
    this.heardSomethingReal = false
  }

  /** Moves the world until it comes to rest. An interruption stops it where it is. */
  readonly toRest: Effect.Effect<Rest> = Effect.suspend(() => {
    this.isMoving = true
    return this.goOn
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        this.isMoving = false
        this.isWaiting = false
        this.isListening = false
      })
    )
  )

  private resume: (next: Exit.Exit<"host turn" | Rest>) => void = () => {}

  private readonly goOn: Effect.Effect<Rest> = Effect.suspend(() =>
    Effect.flatMap(
      Effect.async<"host turn" | Rest>((resume) => {
        this.resume = resume
        this.microtask()
      }),
      (next) => {
        if (next !== "host turn") return Effect.succeed(next)
        this.ranSinceHostTurn = 0
        this.isListening = !this.world.hasTasks
        return Effect.flatMap(hostTurn, () => {
          this.isListening = false
          return this.goOn
        })
      }
    )
  )

  private readonly microtask = (): void => {
    if (!this.isMoving) return
    try {
      const next = this.stretch()
      if (next === "microtask") void resolved.then(this.microtask)
      else if (next === "wait") this.isWaiting = true
      else this.resume(Exit.succeed(next))
    } catch (defect) {
      this.resume(Exit.die(defect))
    }
  }

  /** Works for as long as nobody else need have a turn. */
  private stretch(): Next {
    for (;;) {
      const next = this.work() ?? this.pause() ?? this.jump()
      if (next !== undefined) return next
    }
  }

  /** Runs what can run. */
  private work(): Next | undefined {
    if (this.heardSomethingReal) return this.waits()
    while (this.world.hasTasks) {
      if (this.ranSinceHostTurn >= stretch) return "host turn"
      const ran = this.world.runTasks()
      this.ranSinceHostTurn += ran
      this.turnsHere += ran
      this.microtasksGiven = 0
      if (this.turnsHere > this.limits.turns) return this.neverEnds("turns")
    }
    return this.world.roll.live.size === 0 ? "ended" : undefined
  }

  /** Lets the host have its microtasks, and now and then a turn. */
  private pause(): Next | undefined {
    if (this.world.inner > 0) return "wait"
    if (this.microtasksGiven < microtasks) {
      this.microtasksGiven++
      return "microtask"
    }
    return this.ranSinceHostTurn >= stretch ? "host turn" : undefined
  }

  /** Nothing can run: goes on to the next timer. */
  private jump(): Next | undefined {
    const { elapsedMillis, timers } = this.world
    if (this.isEnding && this.world.interruptAll()) return undefined
    const due = timers.nextDueMillis
    if (due === Infinity) return this.waits()
    if (due > this.limitMillis) return this.neverEnds("time")
    if (due > elapsedMillis) this.turnsHere = 0
    this.world.goTo(due)
    // A timer may have been nobody's: then the host must have its turn all the same.
    this.ranSinceHostTurn++
    return undefined
  }

  private waits(): WaitsForRealTime {
    return new WaitsForRealTime({ at: this.at, fibers: this.world.roll.live.size })
  }

  private neverEnds(reason: NeverEnds["reason"]): NeverEnds {
    const limit = Duration.millis(this.limits.limitMillis)
    return new NeverEnds({ at: this.at, reason, limit, turns: this.limits.turns })
  }

  private get at(): Duration.Duration {
    return Duration.millis(this.world.elapsedMillis)
  }
}
