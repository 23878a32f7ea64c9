/**
 * A total budget of time for a piece of work, however many calls it makes. A budget inside another can only shorten it.
 *
 * Times are monotonic milliseconds.
 */
export interface Deadline {
  /** The name of what set the budget. */
  readonly policy: string
  readonly budgetMillis: number
  readonly startedMillis: number
  readonly dueMillis: number
}

/** A budget that begins now; the outer one if that ends first, or at the same moment. */
export const start = (
  policy: string,
  budgetMillis: number,
  outer: Deadline | undefined,
  nowMillis: number
): Deadline => {
  const dueMillis = nowMillis + budgetMillis
  return outer !== undefined && outer.dueMillis <= dueMillis
    ? outer
    : { policy, budgetMillis, startedMillis: nowMillis, dueMillis }
}

/** What is left, >= 0; Infinity where there is no deadline. */
export const remainingMillis = (deadline: Deadline | undefined, nowMillis: number): number =>
  deadline === undefined ? Infinity : Math.max(0, deadline.dueMillis - nowMillis)

/** What ends first, an attempt's own limit or the budget. In the same millisecond it is the attempt's limit. */
export const attemptLimit = (
  timeoutMillis: number,
  remaining: number
): { readonly millis: number; readonly by: "timeout" | "deadline" } =>
  timeoutMillis <= remaining ? { millis: timeoutMillis, by: "timeout" } : { millis: remaining, by: "deadline" }

/** Whether a wait leaves at least `minAttemptMillis`, and something, for the attempt after it. */
export const leavesRoom = (delayMillis: number, minAttemptMillis: number, remaining: number): boolean =>
  remaining - delayMillis >= Math.max(1, minAttemptMillis)

/**
 * How many retries fit a budget in the worst case, every attempt and every wait as long as it can be: the largest n with
 * (n + 1) * timeout + sum of ceiling(i) for i < n <= budget - overhead. -1 if not even the first attempt fits; at most
 * `most`.
 */
export const retriesThatFit = (options: {
  readonly budgetMillis: number
  readonly timeoutMillis: number
  readonly overheadMillis: number
  readonly ceilingMillis: (n: number) => number
  readonly most: number
}): number => {
  const room = options.budgetMillis - options.overheadMillis
  let fitting = -1
  let spent = options.timeoutMillis
  while (spent <= room && fitting < options.most) {
    fitting++
    spent += options.ceilingMillis(fitting) + options.timeoutMillis
  }
  return fitting
}
