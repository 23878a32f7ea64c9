import { FileSystem } from "@effect/platform"
import * as NodeContext from "@effect/platform-node/NodeContext"
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import * as JournalFile from "../../../examples/order-service/src/JournalFile.js"

const newFile = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempFileScoped())

/** One process after another over the same file: what each found, after it has appended. */
const process = (path: string, ...appends: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const file = yield* JournalFile.make(path)
    yield* Effect.forEach(appends, file.append, { discard: true })
    return file.text
  }).pipe(Effect.scoped)

describe("the journal's file", () => {
  it.effect("gives the next process what this one appended", () =>
    Effect.gen(function* () {
      const path = yield* newFile
      expect(yield* process(path, "one\n", "two\nthree\n")).toBe("")
      expect(yield* process(path, "four\n")).toBe("one\ntwo\nthree\n")
      expect(yield* process(path)).toBe("one\ntwo\nthree\nfour\n")
    }).pipe(Effect.scoped, Effect.provide(NodeContext.layer))
  )

  it.effect("cuts a torn last line off, so that the next entry does not grow together with it", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const path = yield* newFile
      yield* fs.writeFileString(path, 'ö: one\n{"_tag":"Pla')
      expect(yield* process(path, "two\n")).toBe("ö: one\n")
      expect(yield* fs.readFileString(path)).toBe("ö: one\ntwo\n")
      yield* fs.writeFileString(path, "torn from the start")
      expect(yield* process(path, "one\n")).toBe("")
      expect(yield* fs.readFileString(path)).toBe("one\n")
    }).pipe(Effect.scoped, Effect.provide(NodeContext.layer))
  )

  it.effect("says so when it cannot be opened", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(process("/nowhere/orders.journal"))
      expect(error._tag).toBe("JournalFailed")
    }).pipe(Effect.provide(NodeContext.layer))
  )
})
