/**
 * The picture of the runs: one panel each, all on the same clock. From top to bottom: how the pages and the orders of
 * each second ended, the state of payment's circuit, and the server's outbound sockets.
 *
 * It is readable without colour (each ending has a pattern of its own, each line its own stroke and a label), in light
 * and dark, and needs nothing from outside.
 */
import { element, type Markup, style } from "./Markup.js"
import type { CircuitState, Outcome } from "./Messages.js"
import type { Recording, SocketSample } from "./Recording.js"
import { perSecond, type Second } from "./Statistics.js"
import { titles } from "./Table.js"
import { phases } from "./Timeline.js"

const width = 960
const left = 110
const right = 16
const plot = width - left - right
const bars = 74
const gap = 26
const band = 16
const chart = 44

const top = {
  phases: 26,
  pages: 44,
  orders: 44 + bars + gap,
  circuit: 44 + 2 * (bars + gap),
  inUse: 44 + 2 * (bars + gap) + band + gap,
  waiting: 44 + 2 * (bars + gap) + band + gap + chart + gap
}
const lowest = top.waiting + chart

/** The height of one panel. */
const panelHeight = lowest + 40

const css = `
.drawing{--ground:#ffffff;--ink:#1c2430;--soft:#5d6878;--rule:#c9d0da;--good:#2f855a;--mid:#d69e2e;--bad:#c53030;--use:#2b6cb0;--tint:#eef1f6;
font:12px system-ui,-apple-system,"Segoe UI",sans-serif}
@media (prefers-color-scheme:dark){.drawing{--ground:#14181f;--ink:#e6eaf0;--soft:#9aa6b6;--rule:#3a4452;--good:#48bb78;--mid:#ecc94b;--bad:#fc8181;--use:#63b3ed;--tint:#1d232d}}
.ground{fill:var(--ground)}.tint{fill:var(--tint)}text{fill:var(--ink)}.soft{fill:var(--soft)}.title{font-size:15px;font-weight:600}
.rule{stroke:var(--rule);stroke-width:1}.mark{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 3}.answered{fill:var(--good)}
.degraded{fill:url(#degraded)}.failed{fill:url(#failed)}.p-mid{fill:var(--mid)}.p-bad{fill:var(--bad)}.p-ground{stroke:var(--ground);stroke-width:2}
.use{fill:var(--use);fill-opacity:.25;stroke:var(--use);stroke-width:1.5}.wait{fill:url(#failed);stroke:var(--bad);stroke-width:1.5}
.box{fill:none;stroke:var(--soft)}.halfopen{fill:url(#degraded)}.open{fill:url(#failed)}.plate{fill:var(--ground)}`

const patterns = element(
  "defs",
  {},
  element(
    "pattern",
    { id: "degraded", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    element("rect", { class: "p-mid", width: 6, height: 6 }),
    element("line", { class: "p-ground", x1: 0, y1: 0, x2: 0, y2: 6 })
  ),
  element(
    "pattern",
    { id: "failed", width: 6, height: 6, patternUnits: "userSpaceOnUse" },
    element("rect", { class: "p-bad", width: 6, height: 6 }),
    element("path", { class: "p-ground", d: "M0 0L6 6M6 0L0 6" })
  )
)

const label = (x: number, y: number, text: string, extra: Readonly<Record<string, string>> = {}): Markup =>
  element("text", { x, y, ...extra }, text)

/** How the arrivals of each second ended, stacked from the bottom: answered, degraded, failed. */
const endings = (
  name: string,
  y: number,
  seconds: ReadonlyArray<Second>,
  x: (millis: number) => number
): ReadonlyArray<Markup> => {
  const most = Math.max(1, ...seconds.map(({ answered, degraded, failed }) => answered + degraded + failed))
  const stack = seconds.flatMap((second, index) => {
    const barWidth = x(1000) - x(0) - 1
    const part = (ending: keyof Second, below: number): ReadonlyArray<Markup> =>
      second[ending] === 0
        ? []
        : [
            element("rect", {
              class: ending,
              x: x(index * 1000),
              y: y + bars - ((below + second[ending]) / most) * bars,
              width: barWidth,
              height: (second[ending] / most) * bars
            })
          ]
    return [
      ...part("answered", 0),
      ...part("degraded", second.answered),
      ...part("failed", second.answered + second.degraded)
    ]
  })
  return [
    ...stack,
    element("line", { class: "rule", x1: left, y1: y + bars, x2: left + plot, y2: y + bars }),
    label(left - 8, y + 12, name, { "text-anchor": "end" }),
    label(left - 8, y + 27, `of ${most}/s`, { "text-anchor": "end", class: "soft" })
  ]
}

const stateNames: Readonly<Record<CircuitState, string>> = {
  Closed: "closed",
  Open: "open",
  HalfOpen: "half-open",
  Isolated: "isolated",
  Disabled: "disabled"
}

interface Stretch {
  readonly state: CircuitState
  readonly from: number
  readonly to: number
}

/** The states of payment's circuit in the time that is drawn. */
export const stretches = (recording: Recording): ReadonlyArray<Stretch> => {
  const { endAt } = recording.timeline
  const changes = recording.circuits.filter(({ at, policy }) => policy === "payment" && at < endAt)
  return [{ at: 0, to: "Closed" as const }, ...changes].map(({ at, to }, index) => ({
    state: to,
    from: Math.max(0, at),
    to: changes[index]?.at ?? endAt
  }))
}

const circuit = (recording: Recording, x: (millis: number) => number): ReadonlyArray<Markup> => {
  const y = top.circuit
  const name = label(left - 8, y + 12, "circuit", { "text-anchor": "end" })
  const box = element("rect", { class: "box", x: left, y, width: plot, height: band })
  if (recording.mode !== "on") return [name, box, label(left + 6, y + 12, "none in this run", { class: "soft" })]
  const drawn = stretches(recording).flatMap(({ from, state, to }) => {
    const [start, length] = [x(from), x(to) - x(from)]
    const text = stateNames[state]
    const roomy = length > text.length * 7 + 10
    return [
      ...(state === "Closed"
        ? []
        : [element("rect", { class: state.toLowerCase(), x: start, y, width: Math.max(length, 1), height: band })]),
      ...(roomy && state !== "Closed"
        ? [element("rect", { class: "plate", x: start + 3, y: y + 2, width: text.length * 7 + 4, height: band - 4 })]
        : []),
      ...(roomy ? [label(start + 6, y + 12, text)] : [])
    ]
  })
  return [name, ...drawn, box]
}

/** The largest numbers of sockets in use and of requests waiting in any run: the scales all panels share. */
interface Scales {
  readonly inUse: number
  readonly waiting: number
}

type Read = (sample: SocketSample) => number

/** One number over time as an area. */
const area = (
  name: string,
  y: number,
  most: number,
  kind: "use" | "wait",
  read: Read,
  recording: Recording,
  x: (millis: number) => number
): ReadonlyArray<Markup> => {
  const base = y + chart
  const samples = recording.sockets.filter(({ at }) => at >= 0 && at <= recording.timeline.endAt)
  const [first, last] = [samples[0], samples.at(-1)]
  const points = samples.map(
    (sample) => `${x(sample.at).toFixed(1)} ${(base - (read(sample) / most) * chart).toFixed(1)}`
  )
  const peak = Math.max(0, ...samples.map(read))
  return [
    ...(first === undefined || last === undefined
      ? []
      : [
          element("path", {
            class: kind,
            d: `M${x(first.at).toFixed(1)} ${base}L${points.join("L")}L${x(last.at).toFixed(1)} ${base}Z`
          })
        ]),
    element("line", { class: "rule", x1: left, y1: base, x2: left + plot, y2: base }),
    label(left - 8, y + 12, name, { "text-anchor": "end" }),
    label(left - 8, y + 27, `at most ${peak}`, { "text-anchor": "end", class: "soft" })
  ]
}

const secondsOf = (recording: Recording, kind: Outcome["kind"]): ReadonlyArray<Second> =>
  perSecond(
    recording.outcomes.filter((outcome) => outcome.kind === kind),
    recording.timeline.endAt
  )

const panel = (recording: Recording, scales: Scales, offset: number): Markup => {
  const { endAt } = recording.timeline
  const x = (millis: number): number => left + (millis / endAt) * plot
  const marks = phases(recording.timeline).flatMap(({ from, name, to }) => [
    ...(name === "slow" || name === "refused"
      ? [
          element("rect", {
            class: "tint",
            x: x(from),
            y: top.phases - 12,
            width: x(to) - x(from),
            height: lowest - top.phases + 12
          })
        ]
      : []),
    element("line", { class: "mark", x1: x(from), y1: top.phases - 12, x2: x(from), y2: lowest }),
    label(x(from) + 3, top.phases, `${x(to) - x(from) < 130 ? "" : "payment "}${name}`, {
      class: "soft"
    }),
    label(x(from), lowest + 14, `${from / 1000} s`, { class: "soft", "text-anchor": "middle" })
  ])
  return element(
    "g",
    { transform: `translate(0 ${offset})` },
    label(8, 10, titles[recording.mode], { class: "title" }),
    marks,
    endings("pages", top.pages, secondsOf(recording, "page"), x),
    endings("orders", top.orders, secondsOf(recording, "order"), x),
    circuit(recording, x),
    area("sockets in use", top.inUse, scales.inUse, "use", ({ inUse }) => inUse, recording, x),
    area("waiting for one", top.waiting, scales.waiting, "wait", ({ waiting }) => waiting, recording, x)
  )
}

const legend = (y: number): Markup =>
  element(
    "g",
    { transform: `translate(8 ${y})` },
    (
      [
        ["answered", 0, "answered in full, confirmed at once"],
        ["degraded", 265, "degraded, accepted for later; circuit half-open"],
        ["failed", 610, "failed, or later than 10 s; circuit open"]
      ] as const
    ).flatMap(([ending, x, text]) => [
      element("rect", { class: ending, x, y: -10, width: 14, height: 12 }),
      label(x + 20, 0, text)
    ])
  )

const description =
  "What became of each second's product pages and orders, payment's circuit, and the server's outbound sockets, without policies, with timeouts only, and with the toolkit."

/** The drawing of these runs, as one SVG element that stands on its own. */
export const draw = (recordings: ReadonlyArray<Recording>): Markup => {
  const most = (read: Read): number => Math.max(10, ...recordings.flatMap(({ sockets }) => sockets.map(read)))
  const scales = { inUse: most(({ inUse }) => inUse), waiting: most(({ waiting }) => waiting) }
  const height = 44 + recordings.length * panelHeight
  return element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `0 0 ${width} ${height}`,
      class: "drawing",
      role: "img",
      "aria-label": description
    },
    element("title", {}, "An outage, three times"),
    element("desc", {}, description),
    style(css),
    patterns,
    element("rect", { class: "ground", width, height }),
    legend(24),
    recordings.map((recording, index) => panel(recording, scales, 56 + index * panelHeight))
  )
}
