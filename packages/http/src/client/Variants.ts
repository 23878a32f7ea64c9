/**
 * The policy of a key as its calls need it. They differ in what may be repeated and in what telemetry calls them; what most
 * calls need is made once and not for each.
 */
import type { Policy } from "@effect-resilience/core"
import type { Duration } from "effect"
import { classify, statusOf, type Terms } from "./Exchange.js"

/** What a call says for itself that its policy has to know. */
export interface Said {
  /** Whether the request may be repeated, whatever its method, key and body. */
  readonly repeatable?: boolean | undefined
  /** The limit of one attempt, up to the policy's deadline. */
  readonly timeout?: Duration.DurationInput | "none" | undefined
  /** What the call is for, in telemetry: a name of few, never an address. Default: the method. */
  readonly operation?: string | undefined
}

/** Mutated in place: filled by the calls, with no more than two for each method. */
type OfKey = Map<string, Policy.Standard>

/** The variants of all keys, each as long as its policy is kept. */
export class Variants {
  private readonly byPolicy = new WeakMap<Policy.Standard, { readonly free: OfKey; readonly once: OfKey }>()

  readonly of = (policy: Policy.Standard, terms: Terms, said: Said): Policy.Standard => {
    const usual = this.usual(policy, terms)
    const { operation, repeatable, timeout } = said
    return timeout === undefined && operation === undefined && repeatable !== false
      ? usual
      : usual.with({ operation, timeout, repeatable: repeatable === false ? false : undefined })
  }

  /** For requests of a method that may be repeated, or that may not once they have left. */
  private usual(policy: Policy.Standard, { isRepeatable, request: { method } }: Terms): Policy.Standard {
    let known = this.byPolicy.get(policy)
    if (known === undefined) {
      known = { free: new Map(), once: new Map() }
      this.byPolicy.set(policy, known)
    }
    const variants = isRepeatable ? known.free : known.once
    const made = variants.get(method)
    if (made !== undefined) return made
    const variant = policy.with({
      operation: method,
      status: statusOf,
      classify: isRepeatable ? undefined : classify(false)
    })
    variants.set(method, variant)
    return variant
  }
}
