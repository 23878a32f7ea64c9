/**
 * What a run in virtual time takes place in: the tasks that can run, first come first served within a priority; the timers;
 * the fibers that live there; and the clock. Nothing in here moves by itself: `Drive` moves it.
 *
 * Once it is closed, what still comes is left to real time: a fiber that could not be ended because it waits for something
 * real runs to its end when that has come.
 */
import { AlarmClock } from "@effect-resilience/core"
import { Clock, Duration, Effect, type Exit, type Fiber, FiberId, type Option, Scheduler, Supervisor } from "effect"
import { Timers } from "./Timers.js"

type AnyFiber = Fiber.RuntimeFiber<unknown, unknown>

/** Knows the fibers that have begun and not ended, oldest first. */
class Roll extends Supervisor.AbstractSupervisor<void> {
  override readonly value = Effect.void
  readonly live = new Set<AnyFiber>()

  override onStart<A, E, R>(
    _context: unknown,
    _effect: Effect.Effect<A, E, R>,
    _parent: Option.Option<AnyFiber>,
    fiber: Fiber.RuntimeFiber<A, E>
  ): void {
    this.live.add(fiber)
  }
  override onEnd<A, E>(_exit: Exit.Exit<A, E>, fiber: Fiber.RuntimeFiber<A, E>): void {
    this.live.delete(fiber)
  }
}

/** A clock keeps time to the nanosecond; without this a sum of fractions drifts. */
const rounded = (millis: number): number => Math.round(millis * 1e6) / 1e6

const realTime = Clock.make()

export class World implements AlarmClock.AlarmClock, Scheduler.Scheduler {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  readonly roll = new Roll()
  readonly timers = new Timers()
  private readonly interrupted = new WeakSet<AnyFiber>()
  private tasks = new Scheduler.PriorityBuckets()
  private nanos: bigint
  private isClosed = false
  /** Virtual milliseconds since the run began. */
  elapsedMillis = 0
  /** Told when a task comes. */
  onTask: () => void = () => {}
  /** How many runs of their own are under way inside: time stands still for them. */
  inner = 0

  constructor(
    private readonly startMillis: number,
    private readonly outside: Scheduler.Scheduler
  ) {
    this.nanos = BigInt(startMillis) * 1_000_000n
  }

  get hasTasks(): boolean {
    return this.tasks.buckets.length > 0
  }

  /** Runs the tasks that are there by now, and tells how many they were. */
  runTasks(): number {
    const { buckets } = this.tasks
    this.tasks = new Scheduler.PriorityBuckets()
    let ran = 0
    for (const [, tasks] of buckets) {
      for (const task of tasks) task()
      ran += tasks.length
    }
    return ran
  }

  /** Goes on to a moment, and wakes everybody whose time has come, all before anybody of them runs. */
  goTo(elapsedMillis: number): void {
    this.elapsedMillis = elapsedMillis
    this.nanos = BigInt(this.startMillis) * 1_000_000n + BigInt(Math.round(elapsedMillis * 1e6))
    this.timers.ringDue(elapsedMillis)
  }

  /** Interrupts every fiber that was not told yet; whether there was one. */
  interruptAll(): boolean {
    const left = [...this.roll.live].filter((fiber) => !this.interrupted.has(fiber))
    for (const fiber of left) {
      this.interrupted.add(fiber)
      fiber.unsafeInterruptAsFork(FiberId.none)
    }
    return left.length > 0
  }

  close(): void {
    this.isClosed = true
    const { buckets } = this.tasks
    this.tasks = new Scheduler.PriorityBuckets()
    for (const [priority, tasks] of buckets) for (const task of tasks) this.outside.scheduleTask(task, priority)
  }

  readonly shouldYield = Scheduler.defaultShouldYield

  scheduleTask(task: Scheduler.Task, priority: number, fiber?: AnyFiber): void {
    if (this.isClosed) {
      this.outside.scheduleTask(task, priority, fiber)
      return
    }
    this.tasks.scheduleTask(task, priority)
    this.onTask()
  }

  unsafeCurrentTimeMillis(): number {
    return this.startMillis + Math.floor(this.elapsedMillis)
  }
  unsafeCurrentTimeNanos(): bigint {
    return this.nanos
  }
  readonly currentTimeMillis = Effect.sync(() => this.unsafeCurrentTimeMillis())
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())

  scheduler(): Effect.Effect<Clock.ClockScheduler> {
    return Effect.succeed({ unsafeSchedule: (task, duration) => this.arm(duration, task) })
  }

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.isClosed
        ? realTime.sleep(duration)
        : Effect.async((resume) => {
            const cancel = this.arm(duration, () => resume(Effect.void))
            return Effect.sync(cancel)
          })
    )
  }

  get [AlarmClock.AlarmsTypeId](): AlarmClock.Alarms | undefined {
    return this.isClosed ? undefined : this.alarms
  }

  /** As a fiber that is woken and lets everybody else have a turn first who is woken at that moment. */
  private readonly alarms: AlarmClock.Alarms = (millis, ring) => {
    let isOff = false
    const turn = () => {
      if (!isOff) ring()
    }
    const wake = () => this.scheduleTask(() => this.scheduleTask(turn, 0), 0)
    const cancel = this.arm(Duration.millis(millis), wake)
    return () => {
      isOff = true
      cancel()
    }
  }

  private arm(duration: Duration.Duration, ring: () => void): () => boolean {
    const millis = Duration.toMillis(duration)
    return millis === Infinity ? () => false : this.timers.arm(rounded(this.elapsedMillis + millis), ring)
  }
}
