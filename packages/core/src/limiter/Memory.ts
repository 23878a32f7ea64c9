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

/** How many keys each call looks at: more than it can add. */
const reviewed = 2

/** What is held of a key, in numbers: from when on it is as if the key had never been used, and its packed state. */
const width = 1 + Machine.packedLength

/** Room for so many keys at least. */
const leastRoom = 16

/** Mutated in place, in synchronous steps. The keys have slots without gaps, in no order. */
class Memory {
  private readonly slots = new Map<string, number>()
  private readonly keys: Array<string> = []
  /** Not an object for each key: see `Machine.pack`. */
  private numbers = new Float64Array(leastRoom * width)
  /** The slot that is looked at next. */
  private hand = 0
  private shared: Machine.State | undefined = undefined
  private overflowed = 0

  constructor(private readonly maxKeys: number) {}

  readonly take = (key: string, limit: Machine.Config, cost: number): Effect.Effect<Machine.Decision> =>
    Effect.withFiberRuntime((fiber) => Effect.succeed(this.takeNow(key, limit, cost, nowMillis(fiber))))

  readonly takeNow = (key: string, limit: Machine.Config, cost: number, now: number): Machine.Decision => {
    this.review(now)
    const slot = this.slots.get(key) ?? this.added(key, limit)
    if (slot === undefined) return this.takeShared(limit, cost, now)
    const { numbers } = this
    const at = slot * width
    const decision = Machine.takePacked(limit, numbers, at + 1, cost, now)
    numbers[at] = now + decision.resetAfterMillis
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

  readonly size: Effect.Effect<Size> = Effect.sync(() => ({ keys: this.keys.length, overflowed: this.overflowed }))

  private get isFull(): boolean {
    return this.keys.length >= this.maxKeys
  }

  private stateOf(key: string, limit: Machine.Config): Machine.State {
    const slot = this.slots.get(key)
    if (slot !== undefined) return Machine.unpack(limit, this.numbers, slot * width + 1)
    return (this.isFull ? this.shared : undefined) ?? Machine.initial(limit)
  }

  /** Gives a new key a slot, if there is room. */
  private added(key: string, limit: Machine.Config): number | undefined {
    if (this.isFull) return undefined
    const slot = this.keys.length
    if (slot * width === this.numbers.length) this.resize(2 * slot)
    Machine.pack(Machine.initial(limit), this.numbers, slot * width + 1)
    this.keys.push(key)
    this.slots.set(key, slot)
    return slot
  }

  private takeShared(limit: Machine.Config, cost: number, now: number): Machine.Decision {
    this.overflowed++
    const [decision, next] = Machine.take(limit, this.shared ?? Machine.initial(limit), cost, now)
    this.shared = next
    return decision
  }

  private review(now: number): void {
    for (let looked = 0; looked < reviewed; looked++) {
      if (this.hand >= this.keys.length) this.hand = 0
      if ((this.numbers[this.hand * width] ?? 0) <= now) this.forget(this.hand)
      this.hand++
    }
  }

  /** The last key takes the slot of the one that is forgotten; it has mostly just come, and its turn is the next time. */
  private forget(slot: number): void {
    const key = this.keys[slot]
    const last = this.keys.pop()
    if (key === undefined || last === undefined) return
    const left = this.keys.length
    this.slots.delete(key)
    if (slot < left) {
      this.keys[slot] = last
      this.slots.set(last, slot)
      this.numbers.copyWithin(slot * width, left * width, (left + 1) * width)
    }
    if (left >= leastRoom && left * 4 * width <= this.numbers.length) this.resize(2 * left)
  }

  /** Makes room for so many keys. */
  private resize(room: number): void {
    const before = this.numbers
    this.numbers = new Float64Array(room * width)
    this.numbers.set(before.subarray(0, room * width))
  }
}

/** A ledger in memory, of so many keys at most. */
export const memory = (maxKeys: number): Memory => new Memory(maxKeys)
