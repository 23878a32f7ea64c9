import { Bulkhead, Deadline } from "@effect-resilience/core"
import { HttpErrors, ServerMiddleware } from "@effect-resilience/http"
import { HttpApp, HttpRouter, HttpServerResponse } from "@effect/platform"
import { Duration, Effect, Option } from "effect"

const left = Effect.map(Deadline.remaining, (time) =>
  HttpServerResponse.text(`a budget of ${Math.ceil(Duration.toSeconds(Option.getOrElse(time, () => "0 millis")))} s`)
)

const program = Effect.gen(function* () {
  const reports = yield* Bulkhead.make("reports", { maxConcurrent: 1 })
  const report = Effect.as(Effect.never, HttpServerResponse.empty())

  const app = HttpRouter.empty.pipe(
    HttpRouter.get("/left", left),
    HttpRouter.get("/report", report.pipe(reports.protect)),
    // Two seconds a request, or what is left to a caller who knows the secret.
    ServerMiddleware.deadline({ budget: "2 seconds", trusted: ({ headers }) => headers["x-mesh"] === "s3cret" }),
    // Outermost: whatever a policy refuses is answered as problem details.
    HttpErrors.respond()
  )

  const handler = HttpApp.toWebHandler(app)
  const get = (path: string, headers: Record<string, string> = {}) =>
    Effect.promise(async () => {
      const response = await handler(new Request(`http://shop.example${path}`, { headers }))
      console.log(path, JSON.stringify(headers), response.status, await response.text())
    })

  yield* get("/left")
  yield* get("/left", { "x-request-timeout-ms": "800" })
  yield* get("/left", { "x-request-timeout-ms": "800", "x-mesh": "s3cret" })
  yield* get("/left", { "x-request-timeout-ms": "0", "x-mesh": "s3cret" })
  // The first report takes the only permit until its budget is over; the second is refused at once.
  const first = yield* Effect.fork(get("/report", { "x-request-timeout-ms": "500", "x-mesh": "s3cret" }))
  yield* Effect.sleep("100 millis")
  yield* get("/report")
  yield* first.await
}).pipe(Effect.scoped)

Effect.runPromise(program)

// /left {} 200 a budget of 2 s
// /left {"x-request-timeout-ms":"800"} 200 a budget of 2 s
// /left {"x-request-timeout-ms":"800","x-mesh":"s3cret"} 200 a budget of 1 s
// /left {"x-request-timeout-ms":"0","x-mesh":"s3cret"} 504 {"type":"about:blank","title":"Gateway Timeout","status":504}
// /report {} 503 {"type":"about:blank","title":"Service Unavailable","status":503}
// /report {"x-request-timeout-ms":"500","x-mesh":"s3cret"} 504 {"type":"about:blank","title":"Gateway Timeout","status":504}
