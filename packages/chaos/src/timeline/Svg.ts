/**
 * A timeline as a picture: a lane for each policy, its circuit's state as a band, and a mark for each event, by kind. Marks
 * of a kind that would lie on one another are one that says how many. What colours say, shapes and words say too.
 */
import type { Row } from "./Rows.js"

/** How a picture is laid out. */
export interface SvgOptions {
  /** What it shows, for who hears it read. Default "Timeline". */
  readonly title?: string | undefined
  /** The same at more length. Default says how many events of which policies there are. */
  readonly description?: string | undefined
  /** In pixels. From 320; default 960. */
  readonly width?: number | undefined
  /** Where the axis ends, in milliseconds; never before the last row, which is the default. */
  readonly untilMillis?: number | undefined
}

interface Kind {
  readonly name: string
  /** A shape around the origin. */
  readonly path: string
}

const kinds = {
  retry: { name: "retry", path: "M0-4L4 3H-4Z" },
  timeout: { name: "timeout", path: "M-4-4H4L-4 4H4Z" },
  rejection: { name: "rejection", path: "M-4-4L4 4M4-4L-4 4" },
  fallback: { name: "fallback", path: "M0 4L4-3H-4Z" },
  fault: { name: "fault", path: "M0-5L4 0L0 5L-4 0Z" },
  other: { name: "other", path: "M-3-3H3V3H-3Z" }
} as const satisfies Record<string, Kind>

const kindOf = (event: string): Kind | undefined => {
  if (event === "CircuitChanged") return undefined
  if (/^Retr(y|ies)/.test(event)) return kinds.retry
  if (/TimedOut|DeadlineMissed/.test(event)) return kinds.timeout
  if (/Reject/.test(event)) return kinds.rejection
  if (event.startsWith("Fallback")) return kinds.fallback
  return event.startsWith("Fault") ? kinds.fault : kinds.other
}

/** The class of a band, by the state that it shows. */
const bands: Readonly<Record<string, string>> = {
  Closed: "closed",
  HalfOpen: "half",
  Open: "open",
  Isolated: "open"
}

const style =
  "text{font:12px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}.faint{fill:#59636e}.axis{stroke:#59636e;stroke-opacity:.35}" +
  ".closed{fill:#aceebb}.half{fill:#fae17d}.open{fill:#ffc1bc}.none{fill:#8c959f;fill-opacity:.3}" +
  ".mark{fill:none;stroke-width:1.6}.retry{stroke:#0969da}.timeout{stroke:#bc4c00}.rejection{stroke:#cf222e}" +
  ".fallback{stroke:#8250df}.fault{stroke:#bf3989}.other{stroke:#59636e}" +
  "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.faint{fill:#9198a1}.axis{stroke:#9198a1}" +
  ".closed{fill:#1f6f37}.half{fill:#7d5e02}.open{fill:#9e2c26}" +
  ".retry{stroke:#58a6ff}.timeout{stroke:#f0883e}.rejection{stroke:#ff7b72}.fallback{stroke:#bc8cff}" +
  ".fault{stroke:#f778ba}.other{stroke:#9198a1}}"

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;"
}

/** Text in XML: what XML has no way to say is replaced. */
const escaped = (text: string): string =>
  text
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "\uFFFD")
    .replaceAll(/[&<>"']/g, (sign) => entities[sign] ?? sign)

const num = (value: number): string => String(Math.round(value * 100) / 100)
const seconds = (millis: number): string => `${num(millis / 1000)} s`

const left = 140
const right = 16
const top = 34
const bandHeight = 16
const markHeight = 13

/** The longest of 1, 2 and 5 times a power of ten of which at most ten fit. */
const tickMillis = (until: number): number => {
  const power = 10 ** Math.floor(Math.log10(Math.max(until, 1) / 10))
  return [1, 2, 5, 10].map((times) => times * power).find((tick) => until / tick <= 10) ?? 10 * power
}

interface Scale {
  readonly x: (millis: number) => number
  readonly until: number
  readonly width: number
}

const axis = ({ until, width, x }: Scale, bottom: number): string => {
  const tick = tickMillis(until)
  return Array.from({ length: Math.floor(until / tick) + 1 }, (_, i) => {
    const at = x(i * tick)
    return (
      `<line class="axis" x1="${num(at)}" y1="${top - 8}" x2="${num(at)}" y2="${num(bottom)}"/>` +
      `<text class="faint" x="${num(Math.min(at, width - right))}" y="${top - 14}" text-anchor="middle">${seconds(i * tick)}</text>`
    )
  }).join("")
}

interface Band {
  readonly state: string
  readonly from: number
  readonly to: number
}

const bandsOf = (rows: ReadonlyArray<Row>, until: number): ReadonlyArray<Band> => {
  const found: Array<Band> = [{ state: rows[0]?.from ?? "", from: 0, to: until }]
  for (const { at, state } of rows) {
    const last = found.at(-1)
    if (last === undefined || last.state === state) continue
    found[found.length - 1] = { ...last, to: at }
    found.push({ state, from: at, to: until })
  }
  return found.filter(({ state }) => state !== "")
}

const bandSvg = ({ from, state, to }: Band, y: number, { x }: Scale): string => {
  const width = Math.max(1, x(to) - x(from))
  const label = escaped(state)
  const name = width >= 7 * state.length + 6 ? `<text x="${num(x(from) + 4)}" y="${num(y + 12)}">${label}</text>` : ""
  return (
    `<g><title>${label} from ${seconds(from)} to ${seconds(to)}</title>` +
    `<rect class="${bands[state] ?? "none"}" x="${num(x(from))}" y="${num(y)}" width="${num(width)}" height="${bandHeight}"/>${name}</g>`
  )
}

/** The marks of one kind, one for each place that can be told from the next. */
const marksSvg = (rows: ReadonlyArray<Row>, kind: Kind, y: number, { x }: Scale): string => {
  const places = new Map<number, Array<Row>>()
  for (const row of rows) {
    if (kindOf(row.event) !== kind) continue
    const place = Math.round(x(row.at) / 4) * 4
    places.set(place, [...(places.get(place) ?? []), row])
  }
  return [...places]
    .map(([place, here]) => {
      const names = [...new Set(here.map(({ event }) => event))].join(", ")
      const first = here[0]?.at ?? 0
      const said = escaped(`${names} at ${seconds(first)}${here.length === 1 ? "" : ` x ${here.length}`}`)
      return `<path class="mark ${kind.name}" transform="translate(${place} ${num(y)})" d="${kind.path}"><title>${said}</title></path>`
    })
    .join("")
}

interface Lane {
  readonly policy: string
  readonly rows: ReadonlyArray<Row>
  readonly kinds: ReadonlyArray<Kind>
}

const lanesOf = (rows: ReadonlyArray<Row>): ReadonlyArray<Lane> =>
  [...new Set(rows.map(({ policy }) => policy))].map((policy) => {
    const own = rows.filter((row) => row.policy === policy)
    const seen = new Set(own.map(({ event }) => kindOf(event)))
    return { policy, rows: own, kinds: Object.values(kinds).filter((kind) => seen.has(kind)) }
  })

const laneHeight = (lane: Lane): number => bandHeight + lane.kinds.length * markHeight + 14

const shortened = (text: string): string => (text.length > 18 ? `${text.slice(0, 17)}…` : text)

const laneSvg = (lane: Lane, y: number, scale: Scale): string => {
  const marks = lane.kinds.map((kind, i) =>
    marksSvg(lane.rows, kind, y + bandHeight + (i + 0.5) * markHeight + 3, scale)
  )
  return (
    `<g><text x="8" y="${num(y + 12)}"><title>${escaped(lane.policy)}</title>${escaped(shortened(lane.policy))}</text>` +
    bandsOf(lane.rows, scale.until)
      .map((band) => bandSvg(band, y, scale))
      .join("") +
    `${marks.join("")}</g>`
  )
}

const legend = (lanes: ReadonlyArray<Lane>, y: number): string =>
  Object.values(kinds)
    .filter((kind) => lanes.some((lane) => lane.kinds.includes(kind)))
    .map(
      (kind, i) =>
        `<path class="mark ${kind.name}" transform="translate(${left + 6 + i * 90} ${num(y)})" d="${kind.path}"/>` +
        `<text class="faint" x="${left + 16 + i * 90}" y="${num(y + 4)}">${kind.name}</text>`
    )
    .join("")

/**
 * The rows as an SVG that stands by itself: no script, no fonts, colours for light and for dark, a title and a description.
 * Byte by byte the same for the same rows.
 *
 * @example
 * ```ts
 * import { Timeline } from "@effect-resilience/chaos"
 *
 * const late = { at: 250, policy: "payment", event: "CallTimedOut", from: "Closed", state: "Closed", detail: "" }
 * console.log(Timeline.svg([late], { title: "A slow payment" }).startsWith("<svg"))
 * ```
 */
export const svg = (rows: ReadonlyArray<Row>, options: SvgOptions = {}): string => {
  const width = Math.max(320, Math.round(options.width ?? 960))
  const until = rows.reduce((most, { at }) => Math.max(most, at), options.untilMillis ?? 0)
  const x = (millis: number) => left + ((width - left - right) * millis) / Math.max(until, 1)
  const scale = { x, until, width }
  const lanes = lanesOf(rows)
  let bottom = top
  const drawn = lanes.map((lane) => {
    const y = bottom
    bottom += laneHeight(lane)
    return laneSvg(lane, y, scale)
  })
  const height = bottom + 28
  const title = escaped(options.title ?? "Timeline")
  const told = `${rows.length} events of ${lanes.map(({ policy }) => policy).join(", ")} in ${seconds(until)}`
  const described = escaped(options.description ?? told)
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">` +
    `<title>${title}</title><desc>${described}</desc><style>${style}</style>` +
    `${axis(scale, bottom)}${drawn.join("")}${legend(lanes, bottom + 14)}</svg>\n`
  )
}
