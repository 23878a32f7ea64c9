/** Random lives of a circuit breaker: what its callers do, at moments that fall on, before and after the due ones. */
import { CircuitBreaker, TripPolicy } from "@effect-resilience/machines"
import type { Window } from "@effect-resilience/machines"
import * as fc from "fast-check"
import { frozen, long } from "./Law.js"
import { NaiveCircuit } from "./NaiveCircuit.js"
import type { Refusal } from "./NaiveCircuit.js"

/** What can be done by hand. */
export type ByHand = "Isolate" | "Disable" | "Reset"

export type Command =
  | { readonly _tag: "Wait"; readonly millis: number }
  /** Until so many milliseconds after the next moment at which the clock alone changes something. */
  | { readonly _tag: "WaitForDue"; readonly offset: number }
  | { readonly _tag: "Ask"; readonly random: number }
  | { readonly _tag: "Set"; readonly how: ByHand; readonly random: number }
  /** One of the calls under way ends, by its place among them. */
  | { readonly _tag: "End"; readonly which: number; readonly outcome: CircuitBreaker.Outcome; readonly random: number }

/** What happened at one moment, and the circuit before and after it. */
export interface Step {
  readonly nowMillis: number
  readonly before: CircuitBreaker.State
  readonly after: CircuitBreaker.State
  readonly transitions: ReadonlyArray<CircuitBreaker.Transition>
  readonly decision?: CircuitBreaker.Decision
  /** For a call that asked: why the plain model refuses it, if it does. */
  readonly refusal?: Refusal | undefined
  readonly set?: ByHand
  readonly ended?: { readonly permit: CircuitBreaker.Permit; readonly outcome: CircuitBreaker.Outcome }
  /** The calls under way after it. */
  readonly underWay: ReadonlyArray<CircuitBreaker.Permit>
  readonly naive: NaiveCircuit
}

/** Asks as a caller does: once more when the refusal says that the wait is over already. */
export const ask = (
  config: CircuitBreaker.Config,
  state: CircuitBreaker.State,
  nowMillis: number
): Pick<Step, "after" | "transitions"> & { readonly decision: CircuitBreaker.Decision } => {
  const [decision, after] = CircuitBreaker.acquire(config, frozen(state), nowMillis)
  const transitions = decision.transition === undefined ? [] : [decision.transition]
  if (decision._tag === "Admitted" || decision.transition === undefined || decision.retryAfterMillis > 0) {
    return { decision, after: frozen(after), transitions }
  }
  const again = ask(config, after, nowMillis)
  return { ...again, transitions: [...transitions, ...again.transitions] }
}

/** Sets a circuit by hand, after the steps that the clock has made due. */
const setByHand = (
  config: CircuitBreaker.Config,
  state: CircuitBreaker.State,
  how: ByHand,
  nowMillis: number
): Pick<Step, "after" | "transitions"> => {
  const due = CircuitBreaker.elapse(config, frozen(state), nowMillis)
  if (due !== undefined) {
    const { after, transitions } = setByHand(config, due[1], how, nowMillis)
    return { after, transitions: [due[0], ...transitions] }
  }
  const [transition, after] =
    how === "Isolate"
      ? CircuitBreaker.isolate(state, nowMillis)
      : how === "Disable"
        ? CircuitBreaker.disable(config, state, nowMillis)
        : CircuitBreaker.reset(config, state, nowMillis)
  return { after: frozen(after), transitions: transition === undefined ? [] : [transition] }
}

const wish = fc.constantFrom(1, 150, 5000)
const lastedMillis = fc.constantFrom(0, 0, 49, 50, 300)
const ending = (_tag: CircuitBreaker.Outcome["_tag"], retryAfterMillis: fc.Arbitrary<number>) =>
  fc.record({ _tag: fc.constant(_tag), retryAfterMillis, lastedMillis })

const outcome: fc.Arbitrary<CircuitBreaker.Outcome> = fc.oneof(
  { weight: 5, arbitrary: ending("Failure", fc.constant(0)) },
  { weight: 1, arbitrary: ending("Failure", wish) },
  { weight: 5, arbitrary: ending("Success", fc.constant(0)) },
  { weight: 1, arbitrary: ending("Ignored", fc.constant(0)) },
  { weight: 1, arbitrary: ending("Ignored", wish) }
)

const random = fc.constantFrom(0, 0.25, 0.5, 0.75, 0.999999)

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 2, arbitrary: fc.nat(60).map((millis) => ({ _tag: "Wait" as const, millis })) },
  { weight: 1, arbitrary: fc.nat(2500).map((millis) => ({ _tag: "Wait" as const, millis })) },
  {
    weight: 4,
    arbitrary: fc.constantFrom(-1, 0, 0, 1, 400).map((offset) => ({ _tag: "WaitForDue" as const, offset }))
  },
  { weight: 7, arbitrary: fc.record({ _tag: fc.constant("Ask" as const), random }) },
  {
    weight: 1,
    arbitrary: fc.record({
      _tag: fc.constant("Set" as const),
      how: fc.constantFrom<ByHand>("Isolate", "Disable", "Reset", "Reset"),
      random
    })
  },
  {
    weight: 6,
    arbitrary: fc.record({
      _tag: fc.constant("End" as const),
      which: fc.oneof(fc.constant(0), fc.nat(20)),
      outcome,
      random
    })
  }
)

export const commands = long(command, 150)

const window: fc.Arbitrary<Window.Config> = fc.oneof(
  fc.record({
    _tag: fc.constant("Count" as const),
    size: fc.integer({ min: 1, max: 8 }),
    maxAgeMillis: fc.constantFrom(100, 1000, 60_000)
  }),
  fc.record({
    _tag: fc.constant("Time" as const),
    spanMillis: fc.constantFrom(100, 1000, 30_000),
    buckets: fc.constantFrom(1, 3, 10)
  })
)

const share = {
  threshold: fc.constantFrom(0.25, 0.5, 1),
  minimumCalls: fc.integer({ min: 1, max: 4 }),
  window
}

const rule: fc.Arbitrary<TripPolicy.Rule> = fc.oneof(
  fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom(100, 600_000))
    .map(([n, age]) => TripPolicy.consecutive(n, age)),
  fc.record(share).map(TripPolicy.rate),
  fc.record({ ...share, slowerThanMillis: fc.constantFrom(50, 200) }).map(TripPolicy.slow)
)

const tripPolicy: fc.Arbitrary<TripPolicy.TripPolicy> = fc.oneof(
  { weight: 3, arbitrary: rule },
  { weight: 1, arbitrary: fc.array(rule, { minLength: 1, maxLength: 3 }).map(TripPolicy.any) }
)

export const config: fc.Arbitrary<CircuitBreaker.Config> = fc.record({
  tripPolicy,
  openMillis: fc.constantFrom(
    () => 100,
    (opening: number) => Math.min(1600, 100 * 2 ** (opening - 1)),
    (opening: number) => 100 * opening
  ),
  openJitter: fc.constantFrom(0, 0.1, 0.5, 1),
  maxOpenMillis: fc.constantFrom(1, 200, 1000),
  probes: fc.integer({ min: 1, max: 3 }),
  successThreshold: fc.integer({ min: 1, max: 3 }),
  probeTimeoutMillis: fc.constantFrom(1, 50, 300)
})

/** Lives through all commands, telling the plain model the same, and shows every step. */
export const live = (of: CircuitBreaker.Config, all: ReadonlyArray<Command>, show: (step: Step) => void): void => {
  const naive = new NaiveCircuit(of)
  let state = frozen(CircuitBreaker.initial(of))
  let nowMillis = 0
  let underWay: ReadonlyArray<CircuitBreaker.Permit> = []
  const happen = (step: Omit<Step, "nowMillis" | "before" | "underWay" | "naive">, drawn: number) => {
    const before = state
    const opened = step.transitions.some((transition) => transition.to === "Open")
    if (opened) naive.random = drawn
    state = opened ? frozen(CircuitBreaker.withJitter(step.after, drawn)) : step.after
    show({ ...step, nowMillis, before, after: state, underWay, naive })
  }
  for (const todo of all) {
    if (todo._tag === "Wait" || todo._tag === "WaitForDue") {
      const until = todo._tag === "Wait" ? nowMillis + todo.millis : (naive.dueMillis ?? nowMillis) + todo.offset
      nowMillis = Math.max(nowMillis, until)
      naive.pass(nowMillis)
      happen({ after: state, transitions: [] }, 0.5)
    } else if (todo._tag === "Ask") {
      const asked = ask(of, state, nowMillis)
      const refusal = naive.refusal(nowMillis)
      if (refusal === undefined) naive.begin(nowMillis)
      if (asked.decision._tag === "Admitted") underWay = [asked.decision.permit, ...underWay]
      happen({ ...asked, refusal }, todo.random)
    } else if (todo._tag === "Set") {
      naive.set(todo.how, nowMillis)
      happen({ ...setByHand(of, state, todo.how, nowMillis), set: todo.how }, todo.random)
    } else {
      const permit = underWay[todo.which % Math.max(1, underWay.length)]
      if (permit === undefined) continue
      underWay = underWay.filter((other) => other !== permit)
      const [transition, after] = CircuitBreaker.settle(of, state, permit, todo.outcome, nowMillis)
      naive.settle(permit, todo.outcome, nowMillis)
      const transitions = transition === undefined ? [] : [transition]
      happen({ after: frozen(after), transitions, ended: { permit, outcome: todo.outcome } }, todo.random)
    }
  }
}
