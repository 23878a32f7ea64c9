/**
 * The file under the journal: whole lines go to its end and are on the disk when `append` answers.
 *
 * What a crash may leave is one torn last line: it is cut off when the file is opened, because its order was never
 * answered for. An append that failed is cut off as well, before the next one, so that a line the caller was told had
 * failed does not come back after a restart. One process to a file: nothing locks it.
 */
import { FileSystem, Path } from "@effect/platform"
import { Config, Context, Data, Effect, Layer, Ref } from "effect"

/** The journal cannot be read or written: nothing may be promised that rests on it. */
export class JournalFailed extends Data.TaggedError("JournalFailed")<{ readonly reason: string }> {
  override get message() {
    return `the journal failed: ${this.reason}`
  }
}

export class JournalFile extends Context.Tag("order-service/JournalFile")<
  JournalFile,
  {
    /** The whole lines that were in the file when it was opened. */
    readonly text: string
    readonly append: (lines: string) => Effect.Effect<void, JournalFailed>
  }
>() {}

const encoder = new TextEncoder()

/** Opens, or creates, the file at `path`. */
export const make = (path: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const file = yield* fs.open(path, { flag: "a+" })
    const found = yield* fs.readFile(path)
    const whole = found.subarray(0, found.lastIndexOf(0x0a) + 1)
    if (whole.length < found.length) {
      yield* Effect.logWarning(`cut a torn last line of ${found.length - whole.length} bytes off the journal`)
      yield* file.truncate(whole.length)
    }
    const good = yield* Ref.make(whole.length)
    const torn = yield* Ref.make(false)

    const mend = Effect.zipRight(
      Effect.flatMap(Ref.get(good), (size) => file.truncate(size)),
      Ref.set(torn, false)
    )
    const append = (lines: string) => {
      const bytes = encoder.encode(lines)
      return Ref.get(torn).pipe(
        Effect.flatMap((isTorn) => (isTorn ? mend : Effect.void)),
        Effect.zipRight(Ref.set(torn, true)),
        Effect.zipRight(file.writeAll(bytes)),
        Effect.zipRight(file.sync),
        Effect.zipRight(Ref.update(good, (size) => size + bytes.length)),
        Effect.zipRight(Ref.set(torn, false)),
        Effect.tapError(() => Effect.ignore(mend)),
        Effect.mapError((error) => new JournalFailed({ reason: error.message }))
      )
    }
    return { text: new TextDecoder().decode(whole), append }
  }).pipe(
    Effect.catchTags({
      BadArgument: (error) => new JournalFailed({ reason: error.message }),
      SystemError: (error) => new JournalFailed({ reason: error.message })
    })
  )

/** `orders.journal` in the folder `DATA_DIR`, which is made if it is not there. */
export const layer = Layer.scoped(
  JournalFile,
  Effect.gen(function* () {
    const folder = yield* Config.string("DATA_DIR").pipe(Config.withDefault("data"))
    const fs = yield* FileSystem.FileSystem
    const path = yield* Path.Path
    yield* Effect.mapError(
      fs.makeDirectory(folder, { recursive: true }),
      (error) => new JournalFailed({ reason: error.message })
    )
    return yield* make(path.join(folder, "orders.journal"))
  })
)
