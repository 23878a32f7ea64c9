import { NodeHttpClient } from "@effect/platform-node"
import type { HttpClient } from "@effect/platform"
import { Effect } from "effect"
import { fork } from "node:child_process"
import { Agent } from "undici"

/** Where a local server is, which ends with this process. */
export const served = (): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = fork(new URL("subjects/http-server.js", import.meta.url), [], { execArgv: [] })
    child.once("exit", (code) => reject(new Error(`the local server ended with ${code}`)))
    child.once("message", (port) => {
      child.unref()
      child.channel?.unref()
      resolve(`http://127.0.0.1:${Number(port)}`)
    })
  })

/** One connection, which is kept open. */
export const oneConnection = { connections: 1, pipelining: 1 }

/** The platform's client over one connection of its own. */
export const bareClient = (): HttpClient.HttpClient => NodeHttpClient.makeUndici(new Agent(oneConnection))

/** What a client is answered. */
export const asked = <E>(client: HttpClient.HttpClient.With<E>, url: string) =>
  Effect.flatMap(client.get(url), (response) => response.text)

/** The server's answer. */
export const answer = '{"ok":true}'
