/**
 * The everyday weather of a network: every dependency answers after a lognormal latency (median 50 ms) and one request
 * in 200 goes wrong. Half of those are refused before any work (503), half lose the answer after the work was done
 * (500), which is the case that makes an idempotency key necessary.
 */
import { Effect } from "effect"
import * as Chance from "./Chance.js"
import type { JsonRequest, JsonResponse } from "./JsonServer.js"

const medianMillis = 50
const sigma = 0.45
const faultRate = 0.005

export type Fault = "none" | "refused" | "answer-lost"

/** What the `index`-th request to this dependency meets. Pure: the same seed, the same fault. */
export const faultOf = (draw: Chance.Draw): Fault => {
  const u = Chance.uniform({ ...draw, stream: `${draw.stream}/fault` })
  return u < faultRate / 2 ? "refused" : u < faultRate ? "answer-lost" : "none"
}

export const latencyMillis = (draw: Chance.Draw): number =>
  Math.round(Chance.lognormalMillis({ ...draw, stream: `${draw.stream}/latency` }, medianMillis, sigma))

/** The handler under that weather; `extraMillis` is read when a request arrives. */
export const under = (
  seed: number,
  stream: string,
  handle: (request: JsonRequest) => JsonResponse,
  extraMillis: () => number = () => 0
): ((request: JsonRequest) => Effect.Effect<JsonResponse>) => {
  let requests = 0
  return (request) =>
    Effect.suspend(() => {
      const draw = { seed, stream, index: requests++ }
      const fault = faultOf(draw)
      return Effect.map(Effect.sleep(latencyMillis(draw) + extraMillis()), (): JsonResponse => {
        if (fault === "refused") return { status: 503, body: { error: "unavailable" } }
        const answer = handle(request)
        return fault === "answer-lost" ? { status: 500, body: { error: "internal" } } : answer
      })
    })
}
