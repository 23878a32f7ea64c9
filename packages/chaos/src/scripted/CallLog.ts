/**
 * What has arrived at a scripted service, and how each call follows its script.
 */
import { Clock, Deferred, Effect, Exit, type Queue } from "effect"
import { type Arrived, compare, isFor, ScriptMismatch, stepOf } from "./Mismatch.js"
import type { CheckedScript } from "./Script.js"
import { type AnyStep, layersOf } from "./Step.js"

/** A call that waits for the test to end it. Each way to end it says whether it was still waiting. */
export interface HeldCall<out Args, in A, in E> extends Pick<Arrived<Args>, "method" | "number" | "args" | "at"> {
  readonly succeed: (value: A) => Effect.Effect<boolean>
  readonly fail: (error: E) => Effect.Effect<boolean>
  readonly die: (defect: unknown) => Effect.Effect<boolean>
}

/** How many calls there were. */
export interface Counts {
  readonly calls: number
  /** How many are under way. */
  readonly running: number
  /** The most that ever were under way at a time. */
  readonly mostRunning: number
  /** How many were interrupted. */
  readonly interrupted: number
}

export type AnyHeld = HeldCall<ReadonlyArray<unknown>, unknown, unknown>

/** One method: its script, and its calls that wait. */
export interface Line {
  readonly script: CheckedScript
  readonly held: Queue.Queue<AnyHeld>
  /** How many held calls were asked for. */
  asked: number
}

interface Call extends Arrived {
  ended: Arrived["ended"]
}

const endOf = (exit: Exit.Exit<unknown, unknown>): Arrived["ended"] => {
  if (Exit.isSuccess(exit)) return "succeeded"
  if (Exit.isInterrupted(exit)) return "interrupted"
  return exit.cause._tag === "Fail" ? "failed" : "died"
}

const isHeld = (step: AnyStep) => layersOf(step).some(({ _tag }) => _tag === "Hold")

const holdsOf = ({ rest, steps }: CheckedScript): number =>
  rest !== undefined && isHeld(rest) ? Infinity : steps.filter(isHeld).length

/** All that a scripted service knows. */
export class CallLog {
  private readonly arrived: Array<Call> = []
  private running = 0
  private mostRunning = 0

  constructor(
    private readonly name: string,
    readonly lines: ReadonlyMap<string, Line>
  ) {}

  /** A call of a method that follows its script. */
  readonly perform = (method: string, args: ReadonlyArray<unknown>): Effect.Effect<unknown, unknown> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Clock.currentTimeNanos, (nanos) => {
        const number = this.arrived.filter((call) => call.method === method).length + 1
        const call: Call = { method, number, args, at: Number(nanos / 1_000_000n), ended: "running" }
        this.arrived.push(call)
        const line = this.lines.get(method)
        const step = line && stepOf(line.script, number)
        if (line === undefined || step === undefined || !isFor(step, args)) {
          call.ended = "unexpected"
          return Effect.die(this.mismatch())
        }
        this.mostRunning = Math.max(this.mostRunning, ++this.running)
        return Effect.onExit(restore(this.follow(step, call, line)), (exit) =>
          Effect.sync(() => {
            this.running--
            call.ended = endOf(exit)
          })
        )
      })
    )

  private readonly follow = (step: AnyStep, call: Call, line: Line): Effect.Effect<unknown, unknown> => {
    switch (step._tag) {
      case "Succeed":
        return Effect.succeed(step.value)
      case "Fail":
        return Effect.fail(step.error)
      case "Die":
        return Effect.die(step.defect)
      case "Hang":
        return Effect.never
      case "Hold":
        return Effect.flatMap(Deferred.make<unknown, unknown>(), (end) =>
          Effect.zipRight(line.held.offer(heldCall(call, end)), Deferred.await(end))
        )
      case "Answer":
        return Effect.suspend(() => step.answer(...call.args))
      case "After":
        return Effect.delay(this.follow(step.step, call, line), step.delay)
      case "Expecting":
      case "Always":
        return this.follow(step.step, call, line)
    }
  }

  readonly next = (method: string): Effect.Effect<AnyHeld> =>
    Effect.suspend(() => {
      const line = this.lines.get(method)
      const holds = line === undefined ? 0 : holdsOf(line.script)
      if (line === undefined || line.asked >= holds) {
        return Effect.dieMessage(`"${this.name}" holds ${holds} calls of ${method}, and another was asked for`)
      }
      line.asked++
      return Effect.onInterrupt(line.held.take, () => Effect.sync(() => line.asked--))
    })

  readonly calls = Effect.sync(() => this.arrived.map((call): Arrived => ({ ...call })))

  readonly callsTo = (method: string): Effect.Effect<ReadonlyArray<Arrived>> =>
    Effect.map(this.calls, (calls) => calls.filter((call) => call.method === method))

  readonly counts: Effect.Effect<Counts> = Effect.sync(() => ({
    calls: this.arrived.length,
    running: this.running,
    mostRunning: this.mostRunning,
    interrupted: this.arrived.filter(({ ended }) => ended === "interrupted").length
  }))

  private readonly mismatch = () => {
    const scripts = new Map([...this.lines].map(([method, { script }]) => [method, script]))
    return new ScriptMismatch({ service: this.name, rows: compare(scripts, this.arrived) })
  }

  readonly verify: Effect.Effect<void, ScriptMismatch> = Effect.suspend(() => {
    const mismatch = this.mismatch()
    return mismatch.rows.every(({ matches }) => matches) ? Effect.void : mismatch
  })

  /** A test that has failed already is told only of the calls that should not have come: others had no time to. */
  readonly close = (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
    Exit.isSuccess(exit) || this.arrived.some(({ ended }) => ended === "unexpected")
      ? Effect.orDie(this.verify)
      : Effect.void
}

const heldCall = (call: Call, end: Deferred.Deferred<unknown, unknown>): AnyHeld => {
  const endBy = (exit: Exit.Exit<unknown, unknown>) =>
    Effect.suspend(() => (call.ended === "running" ? Deferred.done(end, exit) : Effect.succeed(false)))
  const { args, at, method, number } = call
  return {
    method,
    number,
    args,
    at,
    succeed: (value) => endBy(Exit.succeed(value)),
    fail: (error) => endBy(Exit.fail(error)),
    die: (defect) => endBy(Exit.die(defect))
  }
}
