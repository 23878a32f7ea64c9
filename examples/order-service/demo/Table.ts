/** The numbers of the three runs side by side, as text. */
import type { Mode } from "./Messages.js"
import type { Report, Run } from "./Recording.js"

export const modes: ReadonlyArray<Mode> = ["off", "timeouts", "on"]

/** What a reader calls the runs. */
export const titles: Readonly<Record<Mode, string>> = {
  off: "no policies",
  timeouts: "timeouts only",
  on: "effect-resilience"
}

const percent = (share: number): string => `${(Math.floor(share * 1000) / 10).toFixed(1)} %`

const seconds = (millis: number): string =>
  millis < 1000 ? `${Math.round(millis)} ms` : `${(millis / 1000).toFixed(1)} s`

const ratio = (part: number, whole: number): string => (whole === 0 ? "-" : percent(part / whole))

type Row = readonly [label: string, value: (run: Run) => string]

/** What the table says, row by row. */
export const rows: ReadonlyArray<Row> = [
  ["pages before the outage, in full", (run) => percent(run.healthy.answered)],
  ["  p50", (run) => `${run.healthy.p50.toFixed(1)} ms`],
  ["  the server's CPU for each request, pages and orders", (run) => `${run.healthyCpuMillis.toFixed(2)} ms`],
  ["pages in the outage, in full", (run) => percent(run.products.answered)],
  ["  degraded", (run) => percent(run.products.degraded)],
  ["  failed or later than 10 s", (run) => percent(run.products.failed)],
  ["  p50", (run) => seconds(run.products.p50)],
  ["  p99", (run) => seconds(run.products.p99)],
  ["orders in the outage, confirmed at once", (run) => percent(run.orders.answered)],
  ["  accepted for later, or on estimated stock", (run) => percent(run.orders.degraded)],
  ["  failed or later than 10 s", (run) => percent(run.orders.failed)],
  [
    "all orders: accepted of those offered",
    (run) => `${ratio(run.ordersAccepted, run.ordersOffered)} of ${run.ordersOffered}`
  ],
  ["  confirmed by the end", (run) => `${run.ordersConfirmed} of ${run.ordersAccepted}`],
  ["  most charges for one order", (run) => String(run.maxChargesPerOrder)],
  ["calls that reached payment in the outage", (run) => String(run.paymentCallsDuringOutage)],
  ["pages that said something untrue", (run) => String(run.wrongAnswers)],
  ["other circuits that opened", (run) => String(run.falseOpens)],
  ["back to normal after payment was", (run) => (run.secondsToRecover === null ? "never" : `${run.secondsToRecover} s`)]
]

/** A table for the terminal. */
export const text = (report: Report): string => {
  const lines = [
    ["", ...modes.map((mode) => titles[mode])],
    ...rows.map(([label, value]) => [label, ...modes.map((mode) => value(report.runs[mode]))])
  ]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...lines.map((line) => (line[column] ?? "").length)))
  const print = (line: ReadonlyArray<string>): string =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart((widths[column] ?? 0) + 2)))
      .join("")
  const [head = [], ...body] = lines
  return [print(head), "-".repeat(widths.reduce((sum, width) => sum + width + 2, -2)), ...body.map(print)].join("\n")
}
