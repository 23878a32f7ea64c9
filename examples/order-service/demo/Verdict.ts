/**
 * What an answer is worth to the client who got it. A page counts as answered in full only if it claims to be and
 * everything that belongs on it is there; the price is compared with the true one, degraded page or not.
 */
import { Option, Schema } from "effect"
import type { Arrival, PageArrival } from "./Arrivals.js"
import type { Outcome } from "./Messages.js"

/** An answer, or `None` when there was none within the client's limit. */
export type Answer = Option.Option<{ readonly status: number; readonly body: string }>

export interface Verdict extends Pick<Outcome, "result" | "confirmed" | "pending" | "wrong"> {
  /** The order's id, when it was accepted. */
  readonly orderId: Option.Option<string>
}

const Page = Schema.parseJson(
  Schema.Struct({
    id: Schema.String,
    product: Schema.NullOr(Schema.Struct({ name: Schema.NonEmptyString, description: Schema.NonEmptyString })),
    price: Schema.NullOr(Schema.Struct({ amountCents: Schema.Number, currency: Schema.String })),
    reviews: Schema.NullOr(Schema.Struct({ rating: Schema.Number, count: Schema.Number })),
    recommendations: Schema.Array(Schema.String),
    stock: Schema.NullOr(Schema.Struct({ available: Schema.Boolean, estimated: Schema.Boolean })),
    degraded: Schema.Array(Schema.String)
  })
)
const decodePage = Schema.decodeUnknownOption(Page)

const Accepted = Schema.parseJson(
  Schema.Struct({ id: Schema.NonEmptyString, status: Schema.String, inventory: Schema.String })
)
const decodeAccepted = Schema.decodeUnknownOption(Accepted)

const failed: Verdict = { result: "failed", confirmed: false, pending: false, wrong: false, orderId: Option.none() }
const untrue: Verdict = { ...failed, wrong: true }

const isComplete = (page: typeof Page.Type): boolean =>
  page.product !== null &&
  page.price !== null &&
  page.reviews !== null &&
  page.recommendations.length > 0 &&
  page.stock !== null &&
  !page.stock.estimated

const judgePage = (arrival: PageArrival, body: string): Verdict =>
  Option.match(decodePage(body), {
    onNone: () => untrue,
    onSome: (page) => {
      const claimsFull = page.degraded.length === 0
      const isTrue =
        page.id === arrival.productId &&
        (page.price === null || page.price.amountCents === arrival.priceCents) &&
        (!claimsFull || isComplete(page))
      return isTrue ? { ...failed, result: claimsFull ? "answered" : "degraded" } : untrue
    }
  })

const judgeOrder = (status: number, body: string): Verdict =>
  Option.match(decodeAccepted(body), {
    onNone: () => failed,
    onSome: ({ id, inventory, status: said }) => {
      const orderId = Option.some(id)
      if (status === 202 && said === "pending") return { ...failed, result: "degraded", pending: true, orderId }
      if (status !== 201 || said !== "confirmed") return failed
      return { ...failed, result: inventory === "reserved" ? "answered" : "degraded", confirmed: true, orderId }
    }
  })

/** Judge an answer. An error status is a failure, never wrong: it says that it has nothing to say. */
export const judge = (arrival: Arrival, answer: Answer): Verdict =>
  Option.match(answer, {
    onNone: () => failed,
    onSome: ({ body, status }) => {
      if (arrival._tag === "Order") return judgeOrder(status, body)
      return status === 200 ? judgePage(arrival, body) : failed
    }
  })
