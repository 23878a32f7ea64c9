/**
 * The faults of one service, on or off.
 */
import { type Clock, Effect, Stream } from "effect"
import type { Call, FaultPlan } from "../plan/Model.js"
import { Play, type PlayOptions } from "../injection/Play.js"
import { ServiceMembers } from "@effect-resilience/core"
import { isWithin } from "./BlastRadius.js"

/** Which calls a plan may reach. */
export interface BlastRadius {
  /** The share of keys that are hit, always the same ones. From 0 to 1; default 1. */
  readonly share?: number | undefined
  /** The key of a call: a customer, an order, a tenant. Default the method and its arguments as JSON. */
  readonly key?: ((call: Call) => string) | undefined
  /** Whether a call may be hit at all. Default every call. One that throws makes a defect of the call. */
  readonly only?: ((call: Call) => boolean) | undefined
}

interface Active {
  readonly play: Play
  readonly plan: "its own" | "settings"
  readonly share: number
  readonly untilMillis: number
}

/** The faults of one service. */
export interface Status {
  /** The name of its Layer. */
  readonly name: string
  /** Whether faults are injected. */
  readonly on: boolean
  /** Which plan: that of the Layer, or what the settings alone say; undefined while it is off. */
  readonly plan: Active["plan"] | undefined
  /** The share of keys that are hit; 0 while it is off. */
  readonly share: number
  /** For how long yet, in milliseconds; 0 while it is off. */
  readonly leftMillis: number
}

const keyOf = ({ args, method }: Call): string => `${method} ${JSON.stringify(args) ?? ""}`

const gateOf =
  (name: string, { key = keyOf, only, share = 1 }: BlastRadius) =>
  (call: Call): boolean =>
    (only?.(call) ?? true) && (share >= 1 || isWithin(name, key(call), share))

/** Monotonic time in whole milliseconds, as policies have it. */
export const millisOf = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)

/** Turns the faults of one service on and off. Off by itself when its time is over: that is asked at each call. */
export class Switch {
  private active: Active | undefined

  constructor(
    readonly name: string,
    readonly plan: FaultPlan | undefined,
    readonly fails: boolean,
    private readonly named: PlayOptions,
    private readonly methods: ReadonlyArray<string>
  ) {}

  readonly start = (
    plan: FaultPlan,
    source: Active["plan"],
    radius: BlastRadius,
    untilMillis: number
  ): Effect.Effect<void> =>
    Effect.map(
      Play.start(this.name, plan, { ...this.named, gate: gateOf(this.name, radius) }, this.methods),
      (play) => {
        this.active = { play, plan: source, share: radius.share ?? 1, untilMillis }
      }
    )

  readonly stop = (): void => {
    this.active = undefined
  }

  private activeAt(now: number): Active | undefined {
    if (this.active !== undefined && now >= this.active.untilMillis) this.active = undefined
    return this.active
  }

  readonly status = (now: number): Status => {
    const active = this.activeAt(now)
    return {
      name: this.name,
      on: active !== undefined,
      plan: active?.plan,
      share: active?.share ?? 0,
      leftMillis: active === undefined ? 0 : active.untilMillis - now
    }
  }

  /** What is played at the moment; each call asks when it is run. */
  private readonly playing = Effect.clockWith((clock) => Effect.sync(() => this.activeAt(millisOf(clock))?.play))

  /** The service with the switch between it and its callers. */
  readonly between = <S extends object>(service: S): S =>
    ServiceMembers.wrap<S>(service, {
      effect: (self, { args, member }) =>
        Effect.flatMap(this.playing, (play) => play?.effect(self, String(member), args) ?? self),
      stream: (self, { args, member }) =>
        Stream.unwrap(Effect.map(this.playing, (play) => play?.stream(self, String(member), args) ?? self))
    })
}
