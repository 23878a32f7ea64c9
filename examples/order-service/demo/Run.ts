/**
 * One run: a fresh process each for the dependencies, the server and the load generator, the outage played against them
 * by the clock, everything that is seen written down. All three processes end with it.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import { Clock, Data, Effect, Option, Ref, type Scope } from "effect"
import * as Dependencies from "../dependencies/Messages.js"
import * as ChildProcess from "./ChildProcess.js"
import { LoadCommand, LoadNotice, type Mode, type Outcome, ServerNotice } from "./Messages.js"
import type { CircuitChange, Recording, SocketSample } from "./Recording.js"
import { clientLimitMillis } from "./Statistics.js"
import type { PhaseName, Timeline } from "./Timeline.js"

export interface Settings {
  readonly mode: Mode
  readonly seed: number
  readonly pool: number | "unlimited"
  readonly timeline: Timeline
}

/** What can be watched while a run goes on. */
export type Seen = Data.TaggedEnum<{
  PhaseStarted: { readonly phase: PhaseName }
  Outcomes: { readonly outcomes: ReadonlyArray<Outcome> }
  CircuitChanged: CircuitChange
  SocketsSampled: SocketSample
  Drain: { readonly left: number }
}>
export const Seen = Data.taggedEnum<Seen>()

/** How much shorter a circuit stays open than the service's own settings say: 2 s instead of 30 s. */
export const openingScale = 15

/** A few thousand orders may have to wait; they are drained below the rate of live orders, which is 60 a second. */
const backlog = { BACKLOG_CAPACITY: "4000", BACKLOG_RATE: "30" }

/** The longest the demo waits for pending orders after the load. */
const drainLimitMillis = 90_000

/** Between telling the generator when to start and the first arrival. */
const leadMillis = 500

const startDependencies = (settings: Settings) =>
  ChildProcess.start({
    name: "dependencies",
    entry: new URL("../dependencies/main.ts", import.meta.url),
    env: { SEED: String(settings.seed) },
    notices: Dependencies.Notice,
    commands: Dependencies.Command
  })

const listeningOn = (line: string): Option.Option<ServerNotice> =>
  Option.map(Option.fromNullable(/^listening on (http:\/\/\S+)/.exec(line)?.[1]), (url) => ({ _tag: "Serving", url }))

const startServer = (settings: Settings, urls: Dependencies.Urls, dataDirectory: string) =>
  ChildProcess.start({
    name: `server (${settings.mode})`,
    entry: new URL("./server.ts", import.meta.url),
    env: {
      ...urls,
      ...backlog,
      HOST: "127.0.0.1",
      PORT: "0",
      DATA_DIR: dataDirectory,
      DRAIN_PRE_STOP_DELAY: "0 seconds",
      POOL_SIZE: String(settings.pool),
      POLICIES: settings.mode,
      OPENING_SCALE: String(openingScale)
    },
    notices: ServerNotice,
    commands: Dependencies.Command,
    fromLine: listeningOn
  })

const startGenerator = ChildProcess.start({
  name: "load generator",
  entry: new URL("./LoadGenerator.ts", import.meta.url),
  env: {},
  notices: LoadNotice,
  commands: LoadCommand
})

/** Take notices until one fits; the others are not waited for by anybody. */
const until = <Notice, Found extends Notice>(
  child: { readonly next: Effect.Effect<Notice, ChildProcess.ChildFailed> },
  fits: (notice: Notice) => notice is Found
): Effect.Effect<Found, ChildProcess.ChildFailed> =>
  Effect.flatMap(child.next, (notice) => (fits(notice) ? Effect.succeed(notice) : until(child, fits)))

const isTagged =
  <Tag extends string>(tag: Tag) =>
  <Notice extends { readonly _tag: string }>(notice: Notice): notice is Extract<Notice, { readonly _tag: Tag }> =>
    notice._tag === tag

/** Play one run and write down what was seen. Bounded: it fails rather than wait for ever. */
export const play = (
  settings: Settings,
  watch: (seen: Seen) => Effect.Effect<void>
): Effect.Effect<Recording, ChildProcess.ChildFailed, FileSystem.FileSystem | Scope.Scope> =>
  Effect.gen(function* () {
    const { timeline } = settings
    const files = yield* FileSystem.FileSystem
    const dataDirectory = yield* Effect.orDie(files.makeTempDirectoryScoped({ prefix: "order-service-demo-" }))
    const dependencies = yield* startDependencies(settings)
    const generator = yield* startGenerator
    const { urls } = yield* until(dependencies, isTagged("Listening"))
    const server = yield* startServer(settings, urls, dataDirectory)
    const { url } = yield* until(server, isTagged("Serving"))
    yield* until(generator, isTagged("Ready"))

    const startAt = (yield* Clock.currentTimeMillis) + leadMillis + timeline.warmUpMillis
    const outcomes = yield* Ref.make<ReadonlyArray<Outcome>>([])
    const circuits = yield* Ref.make<ReadonlyArray<CircuitChange>>([])
    const sockets = yield* Ref.make<ReadonlyArray<SocketSample>>([])

    const at = (time: number, phase: PhaseName, set: Dependencies.Phase) =>
      Effect.gen(function* () {
        yield* Effect.sleep(Math.max(0, startAt + time - (yield* Clock.currentTimeMillis)))
        yield* dependencies.send({ _tag: "SetPhase", phase: set })
        yield* until(dependencies, isTagged("PhaseSet"))
        yield* watch(Seen.PhaseStarted({ phase }))
      })
    const outage = at(0, "normal", "normal").pipe(
      Effect.zipRight(at(timeline.slowAt, "slow", "slow")),
      Effect.zipRight(at(timeline.refusedAt, "refused", "refusing")),
      Effect.zipRight(at(timeline.backAt, "recovered", "normal"))
    )

    const watchServer = Effect.flatMap(server.next, (notice) => {
      if (notice._tag === "Serving") return Effect.void
      const time = notice.wallMillis - startAt
      if (notice._tag === "Sockets") {
        const { cpuMillis, inUse, waiting } = notice
        const sample = { at: time, inUse, waiting, cpuMillis }
        return Effect.zipRight(
          Ref.update(sockets, (all) => [...all, sample]),
          watch(Seen.SocketsSampled(sample))
        )
      }
      const change = { policy: notice.policy, to: notice.to, at: time }
      return Effect.zipRight(
        Ref.update(circuits, (all) => [...all, change]),
        watch(Seen.CircuitChanged(change))
      )
    }).pipe(Effect.forever)

    type Drained = Extract<LoadNotice, { readonly _tag: "Drained" }>
    const watchLoad: Effect.Effect<Drained, ChildProcess.ChildFailed> = Effect.flatMap(generator.next, (notice) => {
      switch (notice._tag) {
        case "Drained":
          return Effect.succeed(notice)
        case "Outcomes":
          return Ref.update(outcomes, (all) => [...all, ...notice.outcomes]).pipe(
            Effect.zipRight(watch(Seen.Outcomes({ outcomes: notice.outcomes }))),
            Effect.zipRight(watchLoad)
          )
        case "LoadEnded":
          return Effect.zipRight(watch(Seen.Drain({ left: notice.pending })), watchLoad)
        case "Settled":
          return Effect.zipRight(watch(Seen.Drain({ left: notice.left })), watchLoad)
        case "Ready":
          return watchLoad
      }
    })

    yield* generator.send({ _tag: "Load", target: url, seed: settings.seed, timeline, startAt, drainLimitMillis })
    const [drained] = yield* Effect.all([watchLoad, outage], { concurrency: "unbounded" }).pipe(
      Effect.raceFirst(watchServer),
      Effect.timeoutFail({
        duration: leadMillis + timeline.warmUpMillis + timeline.endAt + clientLimitMillis + drainLimitMillis + 15_000,
        onTimeout: () =>
          new ChildProcess.ChildFailed({ child: `run (${settings.mode})`, reason: "did not end in time" })
      })
    )
    yield* dependencies.send({ _tag: "ReportPayment" })
    const payment = yield* until(dependencies, isTagged("PaymentReport"))
    return {
      mode: settings.mode,
      timeline,
      outcomes: yield* Ref.get(outcomes),
      circuits: yield* Ref.get(circuits),
      sockets: yield* Ref.get(sockets),
      payment,
      drained
    }
  })
