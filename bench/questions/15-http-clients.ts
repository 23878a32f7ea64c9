import { ResilientHttpClient } from "@effect-resilience/http"
import { create } from "axios"
import axiosRetry from "axios-retry"
import { Effect } from "effect"
import { got } from "got"
import { Agent as NodeAgent } from "node:http"
import { Agent, interceptors, request } from "undici"
import { mustHold, type Question } from "../harness/Question.js"
import { answer, asked, bareClient, oneConnection, served } from "../subjects/LocalServer.js"
import { awaited, inFiber, lasting } from "../subjects/Loops.js"

const http = () => new NodeAgent({ keepAlive: true, maxSockets: 1 })

/** Clients that repeat calls, side by side; apart from question 12, for each leaves the others its garbage. */
export const question: Question = {
  id: 15,
  title: "a successful GET by clients that repeat what fails, and one of a body of unknown length",
  prepare: async () => {
    const origin = await served()
    const bare = bareClient()
    const resilient = await lasting(ResilientHttpClient.protect(bare, "bench"))
    const dispatcher = new Agent(oneConnection).compose(interceptors.retry())
    const byUndici = async (path: string) => (await request(`${origin}${path}`, { dispatcher })).body.text()
    const gets = got.extend({ agent: { http: http() } })
    const byGot = (path: string) => gets(`${origin}${path}`).text()
    const axiosClient = create({ httpAgent: http(), responseType: "text" })
    axiosRetry(axiosClient)
    const byAxios = async (path: string): Promise<unknown> => (await axiosClient.get(`${origin}${path}`)).data
    for (const answered of [
      await Effect.runPromise(asked(resilient, `${origin}/flaky`)),
      await byUndici("/flaky"),
      await byGot("/flaky"),
      await byAxios("/flaky")
    ]) {
      mustHold(answered === answer, `a call that is to be repeated ended with ${String(answered)}`)
    }
    const chunked = `${origin}/chunked`
    return {
      reference: "HttpClient",
      cases: [
        { name: "HttpClient", run: inFiber(asked(bare, origin)) },
        { name: "ResilientHttpClient", run: inFiber(asked(resilient, origin)) },
        { name: "HttpClient, a body of unknown length", run: inFiber(asked(bare, chunked)) },
        { name: "ResilientHttpClient, a body of unknown length", run: inFiber(asked(resilient, chunked)) },
        { name: "undici, retry interceptor", run: awaited(() => byUndici("/")) },
        { name: "got", run: awaited(() => byGot("/")) },
        { name: "axios, axios-retry", run: awaited(() => byAxios("/")) }
      ],
      comparisons: ["got", "axios, axios-retry"].map((peer) => ({
        question: "a successful GET",
        peer,
        goal: 1,
        ours: (of) => of("ResilientHttpClient").wall,
        theirs: (of) => of(peer).wall
      }))
    }
  }
}
