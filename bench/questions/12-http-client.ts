import { ResilientHttpClient } from "@effect-resilience/http"
import type { HttpClient } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { create } from "axios"
import axiosRetry from "axios-retry"
import { Effect } from "effect"
import { got } from "got"
import { fork } from "node:child_process"
import { Agent as NodeAgent } from "node:http"
import { Agent, interceptors, request } from "undici"
import { mustHold, type Question } from "../harness/Question.js"
import { awaited, inFiber, lasting } from "../subjects/Loops.js"

const allowedMicros = 20

/** The port of a local server, which ends with this process. */
const served = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const child = fork(new URL("subjects/http-server.js", import.meta.url), [], { execArgv: [] })
    child.once("exit", (code) => reject(new Error(`the local server ended with ${code}`)))
    child.once("message", (port) => {
      child.unref()
      child.channel?.unref()
      resolve(Number(port))
    })
  })

const options = { connections: 1, pipelining: 1 }

/** What a client adds to a successful call over a local connection that is kept open. */
export const question: Question = {
  id: 12,
  title: "a successful GET of a local server under a client's policies",
  prepare: async () => {
    const origin = `http://127.0.0.1:${await served()}`
    const agent = new Agent(options)
    const bare = NodeHttpClient.makeUndici(agent)
    const resilient = await lasting(ResilientHttpClient.protect(bare, "bench"))
    const asked = <E>(client: HttpClient.HttpClient.With<E>, path: string) =>
      Effect.flatMap(client.get(`${origin}${path}`), (response) => response.text)
    const retrying = new Agent(options).compose(interceptors.retry())
    const gets = got.extend({ agent: { http: new NodeAgent({ keepAlive: true, maxSockets: 1 }) } })
    const axiosClient = create({
      httpAgent: new NodeAgent({ keepAlive: true, maxSockets: 1 }),
      responseType: "text"
    })
    axiosRetry(axiosClient)
    const byUndici = async (path: string) => {
      const { body } = await request(`${origin}${path}`, { dispatcher: retrying })
      return body.text()
    }
    for (const answer of [
      await Effect.runPromise(asked(resilient, "/flaky")),
      await byUndici("/flaky"),
      await gets(`${origin}/flaky`).text(),
      (await axiosClient.get(`${origin}/flaky`)).data
    ]) {
      mustHold(answer === '{"ok":true}', `a call that is to be repeated ended with ${String(answer)}`)
    }
    return {
      reference: "HttpClient",
      cases: [
        { name: "HttpClient", run: inFiber(asked(bare, "/")) },
        { name: "ResilientHttpClient", run: inFiber(asked(resilient, "/")) },
        { name: "HttpClient, a body of unknown length", run: inFiber(asked(bare, "/chunked")) },
        { name: "ResilientHttpClient, a body of unknown length", run: inFiber(asked(resilient, "/chunked")) },
        { name: "undici, retry interceptor", run: awaited(() => byUndici("/")) },
        { name: "got", run: awaited(() => gets(`${origin}/`).text()) },
        { name: "axios, axios-retry", run: awaited(() => axiosClient.get(`${origin}/`)) }
      ],
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
