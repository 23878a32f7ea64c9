/** The demo's command line, as a value. */
import { Data, Effect } from "effect"
import { parseArgs } from "node:util"

export interface Options {
  readonly quick: boolean
  readonly pool: number | "unlimited"
  readonly seed: number
  /** Where to write the numbers, and the picture on its own. */
  readonly json: string | undefined
  readonly svg: string | undefined
  readonly help: boolean
}

/** The command line makes no sense. The demo exits with 64. */
export class BadOption extends Data.TaggedError("BadOption")<{ readonly reason: string }> {
  override get message(): string {
    return `${this.reason}. Try: npm run demo -- --help`
  }
}

export const help = `npm run demo -- [options]

Replays the outage of a Tuesday afternoon against the example order service: payment answers in about 50 ms, slows down
to 5 s, refuses connections, and comes back. Three runs on the same arrivals: no policies, timeouts only, the toolkit.
Everything runs in processes of its own on 127.0.0.1 and ends by itself. The picture of it goes to demo-report.html.

  --quick            about 15 s a run instead of 40; too short for a page to wait its client's 10 s
  --pool N           sockets the server shares for all its calls: a number, or "unlimited" (default 100)
  --seed N           repeats the arrivals and the faults, not the timings (default 1)
  --json FILE        also write the numbers; shares are 0..1, latencies milliseconds
  --svg FILE         also write the picture on its own
  --help             this

Exit codes: 0 measured; 1 something broke; 2 the load generator was late, so nothing was measured; 64 bad option.`

const wholeNumber = (name: string, text: string, least: number, most: number): Effect.Effect<number, BadOption> => {
  const value = Number(text)
  return /^\d+$/.test(text) && value >= least && value <= most
    ? Effect.succeed(value)
    : new BadOption({
        reason: `--${name} must be a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`
      })
}

const file = (name: string, path: string | undefined): Effect.Effect<string | undefined, BadOption> =>
  path === "" ? new BadOption({ reason: `--${name} needs the name of a file` }) : Effect.succeed(path)

export const parse = (args: ReadonlyArray<string>): Effect.Effect<Options, BadOption> =>
  Effect.gen(function* () {
    const { values } = yield* Effect.try({
      try: () =>
        parseArgs({
          // A pnpm or yarn "--" before the options comes through as an argument.
          args: args[0] === "--" ? args.slice(1) : [...args],
          allowPositionals: false,
          options: {
            quick: { type: "boolean", default: false },
            pool: { type: "string", default: "100" },
            seed: { type: "string", default: "1" },
            json: { type: "string" },
            svg: { type: "string" },
            help: { type: "boolean", short: "h", default: false }
          }
        }),
      catch: (error) => {
        const [sentence = "bad option"] = (error instanceof Error ? error.message : String(error)).split(/\. |\n/)
        return new BadOption({ reason: sentence })
      }
    })
    return {
      quick: values.quick,
      pool: values.pool === "unlimited" ? "unlimited" : yield* wholeNumber("pool", values.pool, 1, 65_535),
      seed: yield* wholeNumber("seed", values.seed, 0, 2_147_483_647),
      json: yield* file("json", values.json),
      svg: yield* file("svg", values.svg),
      help: values.help
    }
  })
