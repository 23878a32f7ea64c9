import { ResilientHttpClient } from "@effect-resilience/http"
import { Effect } from "effect"
import { interleaved } from "../harness/Interleaved.js"
import { mustHold, type Question } from "../harness/Question.js"
import { answer, asked, bareClient, served } from "../subjects/LocalServer.js"
import { inFiber, lasting } from "../subjects/Loops.js"

const allowedMicros = 20

/** What a client adds to a successful call over a local connection that is kept open. */
export const question: Question = {
  id: 12,
  title: "a successful GET of a local server under a client's policies",
  prepare: async () => {
    const origin = await served()
    const bare = bareClient()
    const resilient = await lasting(ResilientHttpClient.protect(bare, "bench"))
    const answered = await Effect.runPromise(asked(resilient, `${origin}/flaky`))
    mustHold(answered === answer, `a call that is to be repeated ended with ${answered}`)
    return {
      reference: "HttpClient",
      cases: interleaved([
        { name: "HttpClient", run: inFiber(asked(bare, origin)) },
        { name: "ResilientHttpClient", run: inFiber(asked(resilient, origin)) }
      ]),
      comparisons: [
        {
          question: "CPU time that the policies add to a successful GET",
          peer: `${allowedMicros} us`,
          goal: 1,
          ours: (of) => of("ResilientHttpClient").cpu - of("HttpClient").cpu,
          theirs: () => allowedMicros * 1000
        }
      ]
    }
  }
}
