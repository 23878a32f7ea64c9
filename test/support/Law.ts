import * as fc from "fast-check"

/** The same cases at every run, so that red stays red until it is mended; `LAW_SEED=n` tries others. */
export const cases = (numRuns: number): { readonly numRuns: number; readonly seed: number } => ({
  numRuns,
  seed: Number(process.env["LAW_SEED"] ?? 1)
})

/** What fast-check calls a long array: without `size: "max"` it draws short ones, which reach few states. */
export const long = <A>(item: fc.Arbitrary<A>, most: number): fc.Arbitrary<Array<A>> =>
  fc.array(item, { maxLength: most, size: "max" })

/** A value that throws when anything changes it, however deep. */
export const frozen = <A>(value: A): A => {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  Object.values(value).forEach(frozen)
  return value
}
