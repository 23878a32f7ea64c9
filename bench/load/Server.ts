import type { Simulation } from "./Simulation.js"

/**
 * A server of `workers` that each do one request at a time, first come, first served, in a line without end. It does not
 * see that a caller has gone: what nobody waits for any more is worked off all the same.
 */
export class Server {
  private readonly line: Array<() => void> = []
  private first = 0
  private busy = 0
  private isStopped = false

  constructor(
    private readonly simulation: Simulation,
    private workers: number,
    private readonly serviceMillis: () => number
  ) {}

  get waiting(): number {
    return this.line.length - this.first
  }

  readonly request = (done: () => void): void => {
    this.line.push(done)
    this.work()
  }

  /** Nothing more is begun until `resume`. */
  readonly stop = (): void => {
    this.isStopped = true
  }

  readonly resume = (): void => {
    this.isStopped = false
    this.work()
  }

  /** From now on so many work. */
  readonly resize = (workers: number): void => {
    this.workers = workers
    this.work()
  }

  private work(): void {
    while (!this.isStopped && this.busy < this.workers) {
      const done = this.line[this.first]
      if (done === undefined) return
      this.first++
      if (this.first > 10_000) {
        this.line.splice(0, this.first)
        this.first = 0
      }
      this.busy++
      this.simulation.after(this.serviceMillis(), () => {
        this.busy--
        done()
        this.work()
      })
    }
  }
}
