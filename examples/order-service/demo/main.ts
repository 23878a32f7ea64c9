/** `npm run demo`: the outage, three times, and what came of it. See `--help`. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cause, Console, Data, Effect, Exit } from "effect"
import { draw } from "./Drawing.js"
import * as HtmlReport from "./HtmlReport.js"
import type { Mode } from "./Messages.js"
import * as Options from "./Options.js"
import * as Progress from "./Progress.js"
import { type Recording, type Report, slipP99, summarize } from "./Recording.js"
import * as Run from "./Run.js"
import * as Table from "./Table.js"
import * as Timeline from "./Timeline.js"

/** A generator that is later than this at its 99th percentile measures itself, not the server. */
const maxSlipMillis = 100

const reportFile = "demo-report.html"

class MeasuredNothing extends Data.TaggedError("MeasuredNothing")<{
  readonly mode: Mode
  readonly slipMillis: number
}> {
  override get message(): string {
    return (
      `Measured nothing: in the run "${Table.titles[this.mode]}" the load generator was ${Math.round(this.slipMillis)} ms late ` +
      `at its 99th percentile, more than ${maxSlipMillis} ms. Try again on a machine with less to do.`
    )
  }
}

const terminal: Progress.Terminal = {
  isTTY: process.stdout.isTTY === true,
  columns: process.stdout.columns ?? 80,
  colour: process.stdout.isTTY === true && !process.env["NO_COLOR"],
  write: (text) => void process.stdout.write(text)
}

const play = (options: Options.Options, timeline: Timeline.Timeline, mode: Mode) =>
  Effect.scoped(
    Effect.gen(function* () {
      const watch = yield* Progress.make(mode, timeline, terminal)
      return yield* Run.play({ mode, seed: options.seed, pool: options.pool, timeline }, watch)
    })
  ).pipe(
    Effect.filterOrFail(
      (recording) => slipP99(recording) <= maxSlipMillis,
      (recording) => new MeasuredNothing({ mode, slipMillis: slipP99(recording) })
    )
  )

const write = (path: string, text: string) =>
  Effect.flatMap(FileSystem.FileSystem, (files) => files.writeFileString(path, text))

const measure = (options: Options.Options) =>
  Effect.gen(function* () {
    const timeline = options.quick ? Timeline.quick : Timeline.full
    yield* Console.log(
      `Three runs of ${Math.round((timeline.warmUpMillis + timeline.endAt) / 1000)} s and a drain each, seed ${options.seed}, pool ${options.pool}. ` +
        `The outage is compressed, and circuits stay open for a ${Run.openingScale}th of the time they are set to.`
    )
    const off = yield* play(options, timeline, "off")
    const timeouts = yield* play(options, timeline, "timeouts")
    const on = yield* play(options, timeline, "on")
    const recordings: ReadonlyArray<Recording> = [off, timeouts, on]
    const report: Report = {
      seed: options.seed,
      pool: options.pool,
      loadSlipP99: Math.max(...recordings.map(slipP99)),
      runs: { off: summarize(off), timeouts: summarize(timeouts), on: summarize(on) }
    }
    yield* write(reportFile, HtmlReport.page(report, recordings))
    if (options.json !== undefined) yield* write(options.json, `${JSON.stringify(report, null, 2)}\n`)
    if (options.svg !== undefined) yield* write(options.svg, `${draw(recordings).markup}\n`)
    yield* Console.log(
      `\n${Table.text(report)}\n\n${HtmlReport.notes(report).join("\n")}\n\nThe picture: ${reportFile}`
    )
  })

const program = Effect.flatMap(Options.parse(process.argv.slice(2)), (options) =>
  options.help ? Console.log(Options.help) : measure(options)
)

const exitCodes: Readonly<Record<string, number>> = { MeasuredNothing: 2, BadOption: 64 }

NodeRuntime.runMain(
  program.pipe(
    Effect.tapError((error) => Console.error(error.message)),
    Effect.provide(NodeContext.layer)
  ),
  {
    disableErrorReporting: true,
    teardown: (exit, onExit) => {
      if (Exit.isSuccess(exit)) return onExit(0)
      if (Cause.isInterruptedOnly(exit.cause)) return onExit(130)
      const error = Cause.squash(exit.cause)
      const tag = typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : ""
      onExit(exitCodes[tag] ?? 1)
    }
  }
)
