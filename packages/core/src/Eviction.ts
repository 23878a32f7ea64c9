/**
 * In which order a Keyed's instances go, of those that nobody uses: least recently used first, and none whose circuit
 * forbids it. Each step is synchronous.
 */
import { Duration, Option } from "effect"
import { type CircuitBreaker, circuitOf } from "./CircuitBreaker.js"
import type { AnyFiber } from "./FiberTime.js"
import { Recency, Used } from "./Recency.js"

/** What may be evicted. It has its place in the line of those that nobody uses. */
export abstract class Resident<T extends Resident<T>> extends Used<T> {
  /** The breakers that may forbid it. */
  breakers: ReadonlyArray<CircuitBreaker> = []
}

/** How long a circuit forbids its instance to go, as far as can be foreseen: until its next probe is due. */
const heldMillis = (fiber: AnyFiber, breaker: CircuitBreaker): number => {
  const { observed, probing, retryAfter, state } = circuitOf(breaker).snapshot(fiber)
  if (Option.isSome(observed)) return Infinity
  if (state === "Closed" || (state === "HalfOpen" && probing === 0)) return 0
  return Option.match(retryAfter, { onNone: () => Infinity, onSome: Duration.toMillis })
}

/** How many are looked at for being idle at each call: more than a call can add, and few. */
const reviewed = 2

/** Those that nobody uses. */
export class Eviction<T extends Resident<T>> {
  private readonly idle = new Recency<T>()
  /** Those whose circuits were seen not to let them go, apart so that they are not looked at for each new key. */
  private readonly held = new Set<T>()
  /** When one of the held may be free to go. */
  private heldUntilMillis = Infinity

  constructor(private readonly idleMillis: number) {}

  /** Nobody uses it any more. */
  add(resident: T, now: number): void {
    this.idle.add(resident, now)
  }

  /** Somebody uses it, or it has gone. */
  remove(resident: T): void {
    this.held.delete(resident)
    this.idle.remove(resident)
  }

  /** Whether it was idle for too long, and may go. */
  isDue(fiber: AnyFiber, resident: T, now: number): boolean {
    return resident.isListed && now - resident.lastUsedMillis >= this.idleMillis && this.mayGo(fiber, resident, now)
  }

  /** Those that were idle for too long and may go, a few at a time. */
  due(fiber: AnyFiber, now: number): ReadonlyArray<T> {
    this.free(fiber, now)
    const found: Array<T> = []
    let resident = this.idle.oldest
    for (let looked = 0; looked < reviewed && resident !== undefined; looked++) {
      if (now - resident.lastUsedMillis < this.idleMillis) break
      const { newer }: T = resident
      if (this.mayGo(fiber, resident, now)) found.push(resident)
      resident = newer
    }
    return found
  }

  /** The least recently used that may go. */
  next(fiber: AnyFiber, now: number): T | undefined {
    while (this.idle.oldest !== undefined && !this.mayGo(fiber, this.idle.oldest, now));
    return this.idle.oldest
  }

  /** Whether its circuits let an idle one go; if not, it is set aside until they may. */
  private mayGo(fiber: AnyFiber, resident: T, now: number): boolean {
    const millis = Math.max(0, ...resident.breakers.map((breaker) => heldMillis(fiber, breaker)))
    if (millis === 0) return true
    this.remove(resident)
    this.held.add(resident)
    // What was set by hand, or is being probed, is looked at again after a while.
    this.heldUntilMillis = Math.min(this.heldUntilMillis, now + Math.min(millis, this.idleMillis))
    return false
  }

  /** Looks again at those that were set aside, once one of them may be free. */
  private free(fiber: AnyFiber, now: number): void {
    if (now < this.heldUntilMillis) return
    this.heldUntilMillis = Infinity
    for (const resident of Array.from(this.held)) {
      this.held.delete(resident)
      if (this.mayGo(fiber, resident, now)) this.add(resident, now)
    }
  }
}
