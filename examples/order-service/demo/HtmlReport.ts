/** The report: one HTML file that holds everything it needs, in light and dark. */
import { draw } from "./Drawing.js"
import { element, type Markup, style } from "./Markup.js"
import { drawMetrics } from "./MetricsDrawing.js"
import type { Recording, Report } from "./Recording.js"
import { openingScale } from "./Run.js"
import { modes, rows, titles } from "./Table.js"

const css = `
:root{color-scheme:light dark;--ground:#ffffff;--ink:#1c2430;--soft:#5d6878;--rule:#c9d0da}
@media (prefers-color-scheme:dark){:root{--ground:#14181f;--ink:#e6eaf0;--soft:#9aa6b6;--rule:#3a4452}}
body{background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:1.5rem 0;width:100%}th,td{padding:.3rem .6rem;border-bottom:1px solid var(--rule);text-align:right}
th:first-child,td:first-child{text-align:left;white-space:pre}svg{width:100%;height:auto}.soft{color:var(--soft)}`

/** What has to be said with every picture or table of the demo. */
export const notes = (report: Report): ReadonlyArray<string> => [
  `Seed ${report.seed}: it repeats the arrivals and the faults, not the timings. ${report.pool === "unlimited" ? "No limit on outbound sockets" : `${report.pool} outbound sockets`}, shared by all calls (Node's own agent). The load generator was ${Math.round(report.loadSlipP99)} ms late at its 99th percentile.`,
  `The outage is compressed, and so are the openings of circuits: divided by ${openingScale} (payment's: 2 s instead of 30 s).`,
  "Every dependency answers in about 50 ms (lognormal) and fails one request in 200, throughout. Arrivals do not wait for anybody; latency counts from the intended start, and a failure counts as the client's limit of 10 s."
]

const table = (report: Report): Markup =>
  element(
    "table",
    {},
    element(
      "thead",
      {},
      element("tr", {}, element("th", {}, " "), ...modes.map((mode) => element("th", { scope: "col" }, titles[mode])))
    ),
    element(
      "tbody",
      {},
      rows.map(([label, value]) =>
        element("tr", {}, element("td", {}, label), ...modes.map((mode) => element("td", {}, value(report.runs[mode]))))
      )
    )
  )

/** The whole file. */
export const page = (report: Report, recordings: ReadonlyArray<Recording>): string => {
  const title = "An outage, three times: effect-resilience demo"
  const html = element(
    "html",
    { lang: "en" },
    element(
      "head",
      {},
      element("meta", { charset: "utf-8" }),
      element("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }),
      element("title", {}, title),
      style(css)
    ),
    element(
      "body",
      {},
      element("h1", {}, title),
      element(
        "p",
        {},
        "Payment answers, slows down to 5 s, refuses connections, and comes back, under the same steady load of orders and product pages. The pages never call payment; they only share its pool of sockets."
      ),
      draw(recordings),
      recordings.filter(({ scrapes }) => scrapes.length > 0).map(drawMetrics),
      table(report),
      notes(report).map((note) => element("p", { class: "soft" }, note))
    )
  )
  return `<!doctype html>\n${html.markup}\n`
}
