/**
 * In which order things were last used, as a linked list that is mutated in place: each use moves one, and looking for the
 * first of a `Map` or `Set` whose oldest were deleted takes as long as there are many.
 */

/** What can be in such a list, in one at a time. */
export abstract class Used<T extends Used<T>> {
  older: T | undefined = undefined
  newer: T | undefined = undefined
  isListed = false
  lastUsedMillis = 0
}

/** The list. Each step is synchronous and takes the same time however long it is. */
export class Recency<T extends Used<T>> {
  oldest: T | undefined = undefined
  private newest: T | undefined = undefined

  /** It was used now, and is not in the list. */
  add(used: T, now: number): void {
    used.lastUsedMillis = now
    used.isListed = true
    used.older = this.newest
    used.newer = undefined
    if (this.newest === undefined) this.oldest = used
    else this.newest.newer = used
    this.newest = used
  }

  /** Takes it out, if it is in the list. */
  remove(used: T): void {
    if (!used.isListed) return
    const { newer, older } = used
    if (older === undefined) this.oldest = newer
    else older.newer = newer
    if (newer === undefined) this.newest = older
    else newer.older = older
    used.isListed = false
    used.older = undefined
    used.newer = undefined
  }
}
