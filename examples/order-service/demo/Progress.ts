/**
 * What is shown while a run goes on: a bar with the phase and live counters, redrawn in place on a terminal, and a plain
 * line every few seconds elsewhere. The state is a value; only `make` writes.
 */
import { Clock, Effect, Ref, type Scope } from "effect"
import type { CircuitState, Mode } from "./Messages.js"
import type { Seen } from "./Run.js"
import { titles } from "./Table.js"
import type { PhaseName, Timeline } from "./Timeline.js"

interface Count {
  readonly answered: number
  readonly degraded: number
  readonly failed: number
}

export interface State {
  readonly phase: PhaseName | "starting" | "draining"
  readonly pages: Count
  readonly orders: Count
  readonly circuit: CircuitState
  readonly inUse: number
  readonly waiting: number
  readonly left: number
}

const none: Count = { answered: 0, degraded: 0, failed: 0 }

export const initial: State = {
  phase: "starting",
  pages: none,
  orders: none,
  circuit: "Closed",
  inUse: 0,
  waiting: 0,
  left: 0
}

export const step = (state: State, seen: Seen): State => {
  switch (seen._tag) {
    case "PhaseStarted":
      return { ...state, phase: seen.phase }
    case "Drain":
      return { ...state, phase: "draining", left: seen.left }
    case "SocketsSampled":
      return { ...state, inUse: seen.inUse, waiting: seen.waiting }
    case "CircuitChanged":
      return seen.policy === "payment" ? { ...state, circuit: seen.to } : state
    case "Outcomes": {
      const add = (count: Count, kind: "page" | "order"): Count => {
        const number = (result: keyof Count): number =>
          count[result] + seen.outcomes.filter((o) => o.at >= 0 && o.kind === kind && o.result === result).length
        return { answered: number("answered"), degraded: number("degraded"), failed: number("failed") }
      }
      return { ...state, pages: add(state.pages, "page"), orders: add(state.orders, "order") }
    }
  }
}

const counters = (name: string, count: Count): string =>
  `${name} ${count.answered} ok ${count.degraded} degraded ${count.failed} failed`

/** The state in one line. */
export const line = (mode: Mode, state: State): string =>
  [
    titles[mode],
    state.phase === "draining" ? `draining, ${state.left} orders left` : state.phase,
    counters("pages", state.pages),
    counters("orders", state.orders),
    `sockets ${state.inUse}, waiting ${state.waiting}`,
    ...(mode === "on" ? [`circuit ${state.circuit}`] : [])
  ].join(" | ")

/** The bar; a share beyond 1 is full. */
export const bar = (share: number, width: number): string => {
  const full = Math.max(0, Math.min(width, Math.round(share * width)))
  return `[${"=".repeat(full)}${" ".repeat(width - full)}]`
}

export interface Terminal {
  readonly isTTY: boolean
  readonly columns: number
  readonly colour: boolean
  readonly write: (text: string) => void
}

const paint = (phase: State["phase"], text: string): string =>
  `\u001b[${phase === "slow" || phase === "refused" ? "33" : "32"}m${text}\u001b[0m`

const redrawEvery = "200 millis"
const lineEvery = "5 seconds"

/** Shows a run until the scope closes; feed the result with what is seen. */
export const make = (
  mode: Mode,
  timeline: Timeline,
  terminal: Terminal
): Effect.Effect<(seen: Seen) => Effect.Effect<void>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const state = yield* Ref.make(initial)
    const startedAt = yield* Clock.currentTimeMillis
    const expected = timeline.warmUpMillis + timeline.endAt + 3000
    const redraw = Effect.gen(function* () {
      const now = yield* Ref.get(state)
      const share = ((yield* Clock.currentTimeMillis) - startedAt) / expected
      const drawn = bar(share, 20)
      const rest = ` ${line(mode, now)}`.slice(0, Math.max(0, terminal.columns - drawn.length - 1))
      terminal.write(`\r\u001b[K${terminal.colour ? paint(now.phase, drawn) : drawn}${rest}`)
    })
    const plain = Effect.flatMap(Ref.get(state), (now) => Effect.sync(() => terminal.write(`${line(mode, now)}\n`)))
    yield* terminal.isTTY
      ? Effect.acquireRelease(
          Effect.forkScoped(Effect.forever(Effect.zipRight(redraw, Effect.sleep(redrawEvery)))),
          () =>
            Effect.zipRight(
              redraw,
              Effect.sync(() => terminal.write("\n"))
            )
        )
      : Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep(lineEvery), plain)))
    return (seen) =>
      Effect.zipRight(
        Ref.update(state, (before) => step(before, seen)),
        seen._tag === "PhaseStarted" && !terminal.isTTY ? plain : Effect.void
      )
  })
