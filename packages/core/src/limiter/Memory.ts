/**
 * What the keys of a limiter have used, in memory.
 *
 * A key is forgotten once nothing that it has used counts any more. There is no timer: each call looks at two keys, in
 * turn, so that a call costs the same however many there are, and keys that come once leave as fast as others come. Where
 * so many count that there is no room, those that are new share one more key.
 */
import { RateLimiter as Machine } from "@effect-resilience/machines"
import { Effect } from "effect"
import { nowMillis } from "../FiberTime.js"

/** How many keys there are. */
export interface Size {
  readonly keys: number
  /** How many calls there were for keys that had no room, and shared one. */
  readonly overflowed: number
}

interface Entry {
  readonly key: string
  state: Machine.State
  /** From when on it is as if the key had never been used. */
  freshAtMillis: number
}

/** How many keys each call looks at: more than it can add. */
const reviewed = 2

/** Mutated in place, in synchronous steps. */
class Memory {
  private readonly byKey = new Map<string, Entry>()
  /** The same in no order, to be looked at in turn. */
  private readonly entries: Array<Entry> = []
  private hand = 0
  private shared: Entry | undefined = undefined
  private overflowed = 0

  constructor(private readonly maxKeys: number) {}

  readonly take = (key: string, limit: Machine.Config, cost: number): Effect.Effect<Machine.Decision> =>
    Effect.withFiberRuntime((fiber) => Effect.succeed(this.takeNow(key, limit, cost, nowMillis(fiber))))

  readonly takeNow = (key: string, limit: Machine.Config, cost: number, now: number): Machine.Decision => {
    this.review(now)
    const entry = this.byKey.get(key) ?? this.added(key, limit, now)
    const [decision, next] = Machine.take(limit, entry.state, cost, now)
    entry.state = next
    entry.freshAtMillis = now + decision.resetAfterMillis
    return decision
  }

  readonly waitMillis = (key: string, limit: Machine.Config, cost: number, ahead: number): Effect.Effect<number> =>
    Effect.withFiberRuntime((fiber) =>
      Effect.succeed(Machine.waitMillis(limit, this.stateOf(key, limit), cost, nowMillis(fiber), ahead))
    )

  readonly standing = (key: string, limit: Machine.Config): Effect.Effect<Machine.Standing> =>
    Effect.withFiberRuntime((fiber) =>
      Effect.succeed(Machine.standing(limit, this.stateOf(key, limit), nowMillis(fiber)))
    )

  readonly size: Effect.Effect<Size> = Effect.sync(() => ({ keys: this.byKey.size, overflowed: this.overflowed }))

  private stateOf(key: string, limit: Machine.Config): Machine.State {
    const entry = this.byKey.get(key) ?? (this.byKey.size < this.maxKeys ? undefined : this.shared)
    return entry?.state ?? Machine.initial(limit)
  }

  private added(key: string, limit: Machine.Config, now: number): Entry {
    if (this.byKey.size < this.maxKeys) {
      const entry = { key, state: Machine.initial(limit), freshAtMillis: now }
      this.byKey.set(key, entry)
      this.entries.push(entry)
      return entry
    }
    this.overflowed++
    this.shared ??= { key, state: Machine.initial(limit), freshAtMillis: now }
    return this.shared
  }

  private review(now: number): void {
    const { entries } = this
    for (let looked = 0; looked < reviewed; looked++) {
      if (this.hand >= entries.length) this.hand = 0
      const entry = entries[this.hand]
      if (entry === undefined) return
      if (entry.freshAtMillis <= now) this.forget(entry)
      this.hand++
    }
  }

  /** Forgets the key at the hand. The last one takes its place, which has mostly just come: its turn is the next time. */
  private forget(entry: Entry): void {
    this.byKey.delete(entry.key)
    const last = this.entries.pop()
    if (last !== undefined && last !== entry) this.entries[this.hand] = last
  }
}

/** A ledger in memory, of so many keys at most. */
export const memory = (maxKeys: number): Memory => new Memory(maxKeys)
