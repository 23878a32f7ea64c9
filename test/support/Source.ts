/** Streams that count how often they were opened and closed. */
import { Effect, Stream } from "effect"

export class Source {
  /** How often one was opened. */
  opened = 0
  /** How many are open. */
  open = 0
  /** What happened, in order: `open 1`, `close 1`. */
  readonly log: Array<string> = []

  /** Opens one stream after the other, the last one for ever. */
  readonly of = <A, E = never, R = never>(
    ...streams: readonly [Stream.Stream<A, E, R>, ...ReadonlyArray<Stream.Stream<A, E, R>>]
  ): Stream.Stream<A, E, R> =>
    Stream.unwrapScoped(
      Effect.map(
        Effect.acquireRelease(
          Effect.sync(() => {
            this.open++
            this.log.push(`open ${++this.opened}`)
            return this.opened
          }),
          (number) =>
            Effect.sync(() => {
              this.open--
              this.log.push(`close ${number}`)
            })
        ),
        (number) => streams[number - 1] ?? streams.at(-1) ?? streams[0]
      )
    )
}
