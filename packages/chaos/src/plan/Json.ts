/**
 * A plan as JSON, so that it can be a file.
 */
import { Duration, type Effect, Either, Option, ParseResult, Schema } from "effect"
import type { FaultPlan } from "./Model.js"
import { check } from "./Settings.js"
import { normal } from "./Time.js"

const isInput = (u: unknown): u is Duration.DurationInput => Option.isSome(Duration.decodeUnknown(u))

/** A span of time: text such as `"5 seconds"`, or a number of milliseconds. */
const Time = Schema.transformOrFail(Schema.Union(Schema.String, Schema.Number), Schema.declare(isInput), {
  strict: true,
  decode: (written, _, ast) =>
    isInput(written)
      ? ParseResult.succeed(normal(written))
      : ParseResult.fail(
          new ParseResult.Type(
            ast,
            written,
            `Expected a duration such as "5 seconds", actual ${JSON.stringify(written)}`
          )
        ),
  encode: (span) => ParseResult.succeed(Duration.toMillis(span))
})

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

const aim = {
  rate: optional(Schema.Number),
  methods: optional(Schema.Array(Schema.String)),
  when: optional(Schema.String),
  from: optional(Time),
  until: optional(Time),
  times: optional(Schema.Number)
}

const Latency = Schema.Union(
  Time,
  Schema.Struct({ uniform: Schema.Tuple(Time, Time) }),
  Schema.Struct({ lognormal: Schema.Struct({ median: Time, p99: Time }) }),
  Schema.Struct({ quantiles: Schema.Array(Schema.Tuple(Schema.Number, Time)) })
)

const Fault = Schema.Union(
  Schema.Struct({ kind: Schema.Literal("fault"), error: Schema.String, ...aim }),
  Schema.Struct({ kind: Schema.Literal("defect"), ...aim }),
  Schema.Struct({ kind: Schema.Literal("latency"), latency: Latency, ...aim }),
  Schema.Struct({ kind: Schema.Literal("outcome"), outcome: Schema.String, ...aim }),
  Schema.Struct({ kind: Schema.Literal("hang"), ...aim }),
  Schema.Struct({ kind: Schema.Literal("interrupt"), ...aim }),
  Schema.Struct({ kind: Schema.Literal("lostReply"), error: optional(Schema.String), ...aim })
)

const Structure = Schema.Struct({
  phases: Schema.Array(Schema.Struct({ duration: optional(Time), faults: Schema.Array(Fault) }))
})

/** What a plan looks like in JSON. */
export interface PlanJson extends Schema.Schema.Encoded<typeof Structure> {}

/**
 * The schema of a plan. Refuses what it does not know, misspelt options for instance, and all that `FaultInjection` would
 * refuse; everything that is wrong is said at once. Times that are written as text come back as milliseconds.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "@effect-resilience/chaos"
 * import { Schema } from "effect"
 *
 * const plan = Schema.decodeUnknownSync(FaultPlan.schema)({
 *   phases: [
 *     { duration: "2 minutes", faults: [] },
 *     { duration: "3 minutes", faults: [{ kind: "latency", latency: "5 seconds", rate: 0.5 }] },
 *     { faults: [{ kind: "fault", error: "Refused", methods: ["charge"] }] }
 *   ]
 * })
 * console.log(plan.phases.map(({ duration }) => duration))
 * // [ 120000, 180000, undefined ]
 * ```
 */
export const schema: Schema.Schema<FaultPlan, PlanJson> = Structure.pipe(
  Schema.filter((plan: FaultPlan) =>
    Either.match(check(plan), {
      onLeft: (problems) =>
        problems.map(({ allowed, option, value }) => ({
          path: [],
          message: `${option} is ${value}, but must be ${allowed}`
        })),
      onRight: () => []
    })
  )
).annotations({ parseOptions: { errors: "all", onExcessProperty: "error" } })

const text = Schema.parseJson(schema)

/**
 * Reads a plan from the text of a JSON file. Fails with a `ParseError` that says all that is wrong.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "@effect-resilience/chaos"
 * import { Effect } from "effect"
 *
 * const program = FaultPlan.fromJson(`{ "phases": [{ "faults": [{ "kind": "hang", "rate": 2 }] }] }`)
 * Effect.runPromise(Effect.flip(program)).then((error) => console.log(error.message.includes("rate is 2")))
 * // true
 * ```
 */
export const fromJson = (json: string): Effect.Effect<FaultPlan, ParseResult.ParseError> => Schema.decode(text)(json)

/**
 * Writes a plan as JSON, its times as milliseconds. Fails with a `ParseError` for one that cannot be meant.
 *
 * @example
 * ```ts
 * import { FaultPlan } from "@effect-resilience/chaos"
 * import { Effect } from "effect"
 *
 * Effect.runPromise(FaultPlan.toJson(FaultPlan.make(FaultPlan.hang()))).then(console.log)
 * // {"phases":[{"faults":[{"kind":"hang"}]}]}
 * ```
 */
export const toJson = (plan: FaultPlan): Effect.Effect<string, ParseResult.ParseError> => Schema.encode(text)(plan)
