/**
 * The values that a stale store has: at most so many, none older than it may be, those that were used least recently go
 * first. Mutable, each step synchronous and told the time.
 */
import { MutableHashMap, Option } from "effect"
import { Recency, Used } from "../Recency.js"

class Entry<K, A> extends Used<Entry<K, A>> {
  constructor(
    readonly key: K,
    public value: A,
    public rememberedMillis: number
  ) {
    super()
  }
}

/** A value, and how old it is. */
export interface Recalled<A> {
  readonly value: A
  readonly ageMillis: number
}

/** Keys are compared by `Equal`. `capacity` >= 1. */
export class StaleValues<K, A> {
  private readonly byKey = MutableHashMap.empty<K, Entry<K, A>>()
  private readonly recency = new Recency<Entry<K, A>>()

  constructor(
    private readonly capacity: number,
    private readonly maxAgeMillis: number
  ) {}

  get size(): number {
    return MutableHashMap.size(this.byKey)
  }

  /** A new value of a key, which is as good as used. */
  remember(key: K, value: A, now: number): void {
    const known = Option.getOrUndefined(MutableHashMap.get(this.byKey, key))
    if (known !== undefined) {
      known.value = value
      known.rememberedMillis = now
      this.touch(known, now)
      return
    }
    const { oldest } = this.recency
    if (oldest !== undefined && this.size >= this.capacity) this.drop(oldest)
    const entry = new Entry(key, value, now)
    MutableHashMap.set(this.byKey, key, entry)
    this.recency.add(entry, now)
  }

  /** The value of a key, which is used now; one that is too old goes. */
  recall(key: K, now: number): Recalled<A> | undefined {
    const known = Option.getOrUndefined(MutableHashMap.get(this.byKey, key))
    if (known === undefined) return undefined
    const ageMillis = now - known.rememberedMillis
    if (ageMillis > this.maxAgeMillis) {
      this.drop(known)
      return undefined
    }
    this.touch(known, now)
    return { value: known.value, ageMillis }
  }

  private touch(entry: Entry<K, A>, now: number): void {
    this.recency.remove(entry)
    this.recency.add(entry, now)
  }

  private drop(entry: Entry<K, A>): void {
    this.recency.remove(entry)
    MutableHashMap.remove(this.byKey, entry.key)
  }
}
