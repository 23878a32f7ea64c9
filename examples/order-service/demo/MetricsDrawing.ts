/**
 * What the server's own metrics said of payment while it was watched from outside: how long calls took, and the state of
 * the circuit, scrape by scrape. It uses the classes of the drawing that it stands below.
 */
import { element, type Markup } from "./Markup.js"
import { type Point, points } from "./Scrape.js"
import type { Recording } from "./Recording.js"

const width = 960
const left = 110
const plot = width - left - 16
const chart = 90
const top = 34
const band = { y: top + chart + 20, height: 16 }
const height = band.y + band.height + 24

const states: ReadonlyArray<readonly [name: string, css: string]> = [
  ["closed", "box"],
  ["open", "open"],
  ["half-open", "halfopen"]
]

type X = (millis: number) => number

/** One latency over time; it has a gap where there were no calls. */
const line = (all: ReadonlyArray<Point>, of: "p50" | "p99", most: number, x: X): Markup => {
  let gap = true
  const path = all.flatMap((point) => {
    const value = point[of]
    const command = gap ? "M" : "L"
    gap = value === undefined
    return value === undefined
      ? []
      : [`${command}${x(point.at).toFixed(1)} ${(top + chart - (value / most) * chart).toFixed(1)}`]
  })
  const look = of === "p50" ? { "stroke-width": 1.5 } : { "stroke-width": 1.5, "stroke-dasharray": "5 3" }
  return element("path", { class: of, fill: "none", stroke: "currentColor", ...look, d: path.join("") || "M0 0" })
}

/** The state at each scrape, up to the next. */
const stretches = (all: ReadonlyArray<Point>, endAt: number, x: X): ReadonlyArray<Markup> =>
  all.flatMap(({ at, state }, index) => {
    const css = states[state]?.[1] ?? "box"
    const to = Math.min(endAt, all[index + 1]?.at ?? endAt)
    return css === "box"
      ? []
      : [element("rect", { class: css, x: x(at), y: band.y, width: Math.max(1, x(to) - x(at)), height: band.height })]
  })

const text = (x: number, y: number, said: string, anchor = "end") =>
  element("text", { x, y, "text-anchor": anchor }, said)

/** The drawing of one run, as one SVG element. */
export const drawMetrics = ({ scrapes, timeline }: Recording): Markup => {
  const { endAt } = timeline
  const all = points(scrapes).filter(({ at }) => at >= 0 && at <= endAt)
  const most = Math.max(0.1, ...all.flatMap(({ p99 }) => p99 ?? []))
  const x: X = (millis) => left + (millis / endAt) * plot
  const description =
    "Calls to payment as /metrics tells them: p50 and p99, and the state of the circuit, once a second."
  return element(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, class: "drawing", role: "img", "aria-label": description },
    element("title", {}, "Payment, by the server's own metrics"),
    element("desc", {}, description),
    element("rect", { class: "ground", width, height }),
    text(8, 16, "payment by the server's own /metrics: p50 solid, p99 dashed", "start"),
    text(left - 8, top + 10, `${most.toFixed(2)} s`),
    text(left - 8, top + chart, "0 s"),
    element("line", { class: "rule", x1: left, y1: top + chart, x2: left + plot, y2: top + chart }),
    element("g", { color: "#2b6cb0" }, line(all, "p50", most, x), line(all, "p99", most, x)),
    text(left - 8, band.y + 12, "circuit"),
    stretches(all, endAt, x),
    element("rect", { class: "box", x: left, y: band.y, width: plot, height: band.height }),
    text(left, height - 8, "hatched: half-open; crossed: open", "start")
  )
}
