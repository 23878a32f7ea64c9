/** Makes the load that its one argument says, as JSON, and prints what became of each request. */
import { Schema } from "effect"
import * as Http from "node:http"
import { performance } from "node:perf_hooks"
import * as Chance from "../../examples/order-service/dependencies/Chance.js"
import { Plan, Report, type Sent, type Stream } from "./Load.js"

interface Due {
  readonly at: number
  readonly index: number
  readonly stream: Stream
}

/** As many as come by chance, each independent of the others. */
const arrivals = (seed: number, stream: Stream): ReadonlyArray<Due> => {
  const found: Array<Due> = []
  let at = stream.from
  for (let index = 0; ; index++) {
    const chance = Chance.uniform({ seed, stream: `${stream.kind} ${stream.from}`, index })
    at -= (Math.log(chance) * 1000) / stream.perSecond
    if (at >= stream.until) return found
    found.push({ at, index, stream })
  }
}

/** What a test looks at. */
const told = ["content-type", "retry-after", "ratelimit", "ratelimit-policy"]

/**
 * Over so many connections that stay, as from a balancer before the service: Node takes one new connection in each turn of
 * its event loop, and a crowd of them would wait for that in the kernel. Who waits here, waits since he was due.
 */
const connections = 200

const plan = Schema.decodeUnknownSync(Schema.parseJson(Plan))(process.argv[2])
const agent = new Http.Agent({ keepAlive: true, maxSockets: connections, scheduling: "fifo" })
const due = plan.streams.flatMap((stream) => arrivals(plan.seed, stream)).toSorted((a, b) => a.at - b.at)
const began = performance.now()

const send = ({ at, index, stream }: Due): Promise<Sent> =>
  new Promise((resolve) => {
    const lateMillis = performance.now() - began - at
    const end = (status: number, headers: Http.IncomingHttpHeaders, body: string): void => {
      const chosen = told.flatMap((name) => (typeof headers[name] === "string" ? [[name, headers[name]] as const] : []))
      resolve({
        kind: stream.kind,
        at,
        lateMillis,
        tookMillis: performance.now() - began - at,
        status,
        headers: Object.fromEntries(chosen),
        body: body.slice(0, 200)
      })
    }
    const url = new URL(stream.paths[index % stream.paths.length] ?? "/", plan.target)
    const headers = stream.apiKey === undefined ? {} : { "x-api-key": stream.apiKey }
    const request = Http.request(url, { method: stream.method, agent, headers, timeout: 20_000 }, (response) => {
      let body = ""
      response.on("data", (chunk) => (body += chunk))
      response.on("error", () => end(0, {}, "the answer broke off"))
      response.on("end", () => end(response.statusCode ?? 0, response.headers, body))
    })
    request.on("timeout", () => request.destroy(new Error("no answer in time")))
    request.on("error", (error) => end(0, {}, error.message))
    request.end(stream.body)
  })

const sent: Array<Promise<Sent>> = []
const go = (): void => {
  for (;;) {
    const next = due[sent.length]
    if (next === undefined) return finish()
    const wait = next.at - (performance.now() - began)
    if (wait > 0) {
      setTimeout(go, wait)
      return
    }
    sent.push(send(next))
  }
}

const finish = (): void => {
  void Promise.all(sent).then((all) => process.stdout.write(Schema.encodeSync(Report)(all), () => agent.destroy()))
}

go()
