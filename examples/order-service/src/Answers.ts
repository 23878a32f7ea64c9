/**
 * How each outcome answers over HTTP: one place for status codes and headers.
 */
import { HttpServerResponse } from "@effect/platform"
import { Duration, Option } from "effect"
import type { Order } from "./Domain.js"
import type { PlaceError } from "./Orders.js"
import type { PartMissing } from "./ProductPage.js"
import type { BadBody, BodyTooLarge } from "./RequestBody.js"
import type { UnknownProduct } from "./Domain.js"

/** Whole seconds, never earlier than asked, at least one. */
const retryAfter = (wait: Option.Option<Duration.Duration>): Record<string, string> => ({
  "retry-after": String(Math.max(1, Math.ceil(Duration.toSeconds(Option.getOrElse(wait, () => Duration.seconds(1))))))
})

/** An answer of one sentence. */
export const said = (status: number, error: string, headers: Record<string, string> = {}) =>
  HttpServerResponse.unsafeJson({ error }, { status, headers })

/** What `GET /orders/:id` tells. */
export const order = ({ id, inventory, reason, status }: Order) =>
  HttpServerResponse.unsafeJson({ id, status, inventory, reason })

/** What `POST /orders` answers about an order that exists. */
export const placed = ({ id, inventory, reason, status }: Order) => {
  const headers = { location: `/orders/${encodeURIComponent(id)}` }
  switch (status) {
    case "confirmed":
      return HttpServerResponse.unsafeJson({ id, status, inventory }, { status: 201, headers })
    case "pending":
      return HttpServerResponse.unsafeJson({ id, status, inventory }, { status: 202, headers })
    case "rejected":
      return HttpServerResponse.unsafeJson({ id, status, reason }, { status: 402, headers })
  }
}

/** What a failure answers. */
export const failed = (error: PlaceError | PartMissing | BadBody | BodyTooLarge | UnknownProduct) => {
  switch (error._tag) {
    case "BadBody":
      return HttpServerResponse.unsafeJson({ error: error.error, issues: error.issues }, { status: 400 })
    case "BodyTooLarge":
      return said(413, error.message, { connection: "close" })
    case "UnknownProduct":
      return said(404, error.message)
    case "OutOfStock":
      return said(409, error.message)
    case "BacklogFull":
      return said(503, error.message, retryAfter(error.retryAfter))
    case "PartMissing":
      return said(503, error.message, retryAfter(error.retryAfter))
    case "JournalFailed":
      return said(503, "orders cannot be recorded at the moment; nothing was charged", retryAfter(Option.none()))
    case "NotPlaced":
      return said(504, error.message, retryAfter(Option.none()))
    case "PaymentFailed":
      return said(error.late ? 504 : 502, error.message)
  }
}
