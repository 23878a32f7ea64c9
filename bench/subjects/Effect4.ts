import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { Case, Cost } from "../harness/Question.js"

/** What the process of Effect 4 is asked for. */
export interface Asked {
  readonly name: "bare call" | "execute"
  readonly calls: number
}

const answerOf = <A>(child: ChildProcess): Promise<A> =>
  new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`the process of Effect 4 ended with ${code}`))
    child.once("exit", ended)
    child.once("message", (message: A) => {
      child.off("exit", ended)
      resolve(message)
    })
  })

/** A process that has Effect 4 instead of 3; idle while nothing is asked of it. */
export const effect4 = async (): Promise<{
  readonly measured: (name: string, asked: Asked["name"]) => Case
  readonly end: () => Promise<void>
}> => {
  const child = fork(fileURLToPath(new URL("../effect-4/dist/breaker.js", import.meta.url)), {
    stdio: ["ignore", 2, 2, "ipc"]
  })
  await answerOf<"ready">(child)
  const cost = (asked: Asked): Promise<Cost> => {
    const answer = answerOf<Cost>(child)
    child.send(asked)
    return answer
  }
  return {
    measured: (name, asked) => ({
      name,
      run: (calls) => cost({ name: asked, calls }),
      cost: (calls) => cost({ name: asked, calls })
    }),
    end: async () => {
      child.kill()
      await once(child, "exit")
    }
  }
}
