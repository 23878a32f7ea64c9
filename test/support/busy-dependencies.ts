/**
 * The order service's dependencies as a process of their own, with what they have in common: `WORKERS` (10) that take 50 ms
 * for a query each, 200 a second, however many wait for them. One query is made for an order (its reservation), for a page (its
 * stock) and for recommendations, but for those of product p1, which are in a cache.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect } from "effect"
import { dependenciesInTurn } from "./RunningOrderService.js"

const workers = Number(process.env["WORKERS"] ?? 10)
const takesMillis = 50

const line: Array<() => void> = []
let busy = 0

const work = (): void => {
  while (busy < workers) {
    const answer = line.shift()
    if (answer === undefined) return
    busy++
    setTimeout(() => {
      busy--
      answer()
      work()
    }, takesMillis)
  }
}

const isQuery = (request: string, id: string | undefined): boolean =>
  request === "POST /reservations" || request === "GET /stock" || (request === "GET /recommendations" && id !== "p1")

const main = dependenciesInTurn((request, id, answer) => {
  if (!isQuery(request, id)) return answer()
  line.push(answer)
  work()
}).pipe(
  Effect.tap(({ url }) => Console.log(`listening on ${url}`)),
  Effect.zipRight(Effect.never),
  Effect.scoped
)

NodeRuntime.runMain(main)
