/**
 * Alarms on the live clock: any number of them behind one Node timer, which keeps the process alive only while somebody
 * waits.
 *
 * The one place that arms a timer beside `Clock`, because a sleeping fiber for each call costs ten times as much. Mutable
 * for the same reason: a binary heap by due time, in which every alarm knows its place, so that it is set and called off
 * in O(log n), and in O(1) where all alarms are set for equally long.
 */
import { Clock } from "effect"

const live = Object.getPrototypeOf(Clock.make())

/** Whether this is the clock of a running program, and not one of a test or a simulation. */
export const isLive = (clock: Clock.Clock): boolean => Object.getPrototypeOf(clock) === live

/** Something that is to happen when its time has come. */
export abstract class Alarm {
  /** Where it is in the heap; -1 where it is not. */
  place = -1
  dueMillis = 0
  abstract ring(): void
}

const heap: Array<Alarm> = []
let timer: NodeJS.Timeout | undefined
let timerDueMillis = Infinity

const put = (alarm: Alarm, place: number): void => {
  heap[place] = alarm
  alarm.place = place
}

const rise = (alarm: Alarm, from: number): void => {
  let place = from
  while (place > 0) {
    const above = (place - 1) >> 1
    const parent = heap[above]
    if (parent === undefined || parent.dueMillis <= alarm.dueMillis) break
    put(parent, place)
    place = above
  }
  put(alarm, place)
}

const sink = (alarm: Alarm, from: number): void => {
  let place = from
  for (;;) {
    const left = heap[2 * place + 1]
    const right = heap[2 * place + 2]
    const child = right !== undefined && left !== undefined && right.dueMillis < left.dueMillis ? right : left
    if (child === undefined || child.dueMillis >= alarm.dueMillis) break
    const below = child.place
    put(child, place)
    place = below
  }
  put(alarm, place)
}

const remove = (alarm: Alarm): void => {
  const { place } = alarm
  alarm.place = -1
  const last = heap.pop()
  if (last === undefined || last === alarm) return
  rise(last, place)
  sink(last, last.place)
}

const arm = (clock: Clock.Clock, millis: number, dueMillis: number): void => {
  if (timer !== undefined) clearTimeout(timer)
  timerDueMillis = dueMillis
  // What is due has its own timers and answers, which may be due as well: they come first.
  timer = setTimeout(() => setImmediate(ring, clock), Math.max(1, millis))
}

const now = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos() / 1_000_000n)

const ring = (clock: Clock.Clock): void => {
  if (timer !== undefined) clearTimeout(timer)
  timer = undefined
  timerDueMillis = Infinity
  const nowMillis = now(clock)
  for (let first = heap[0]; first !== undefined && first.dueMillis <= nowMillis; first = heap[0]) {
    remove(first)
    first.ring()
  }
  const next = heap[0]
  if (next !== undefined) arm(clock, next.dueMillis - nowMillis, next.dueMillis)
}

/** Sets an alarm: it rings in `millis`, unless it is called off before. */
export const set = (clock: Clock.Clock, alarm: Alarm, nowMillis: number, millis: number): void => {
  alarm.dueMillis = nowMillis + millis
  if (heap.length === 0) {
    timer?.ref()
    // Nobody waits, and the timer is overdue: it may be one that never fires, such as a fake one of a test.
    if (timerDueMillis <= nowMillis) timerDueMillis = Infinity
  }
  rise(alarm, heap.length)
  if (alarm.dueMillis < timerDueMillis) arm(clock, millis, alarm.dueMillis)
}

/** Calls an alarm off; nothing if it has rung. */
export const callOff = (alarm: Alarm): void => {
  if (alarm.place < 0) return
  remove(alarm)
  if (heap.length === 0) timer?.unref()
}
