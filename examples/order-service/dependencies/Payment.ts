/**
 * The payment dependency: charges, deduplicated by the caller's idempotency key, and books that can be inspected.
 *
 * A charge is looked up and booked in one synchronous step at the end of its latency, so two requests with one key that
 * run at the same time still book one charge and hear the same answer.
 */
import { Either, Schema } from "effect"
import type { JsonRequest, JsonResponse } from "./JsonServer.js"

/** Always declined: the documented amount to test a decline with. */
const declinedCents = 40_200

const Charge = Schema.Struct({
  orderId: Schema.NonEmptyString,
  amountCents: Schema.Int.pipe(Schema.positive())
})
const decodeCharge = Schema.decodeUnknownEither(Charge)

export interface Books {
  readonly charges: number
  /** The most charges any one order has been booked with; more than 1 means that a customer paid twice. */
  readonly maxChargesPerOrder: number
}

export interface Payment {
  readonly handle: (request: JsonRequest) => JsonResponse
  readonly books: () => Books
}

interface Answered {
  readonly orderId: string
  readonly amountCents: number
  readonly answer: JsonResponse
}

export const make = (): Payment => {
  const answers = new Map<string, Answered>()
  const chargesPerOrder = new Map<string, number>()
  let charges = 0

  const book = (orderId: string, amountCents: number): JsonResponse => {
    if (amountCents === declinedCents) return { status: 402, body: { reason: "declined" } }
    charges += 1
    chargesPerOrder.set(orderId, (chargesPerOrder.get(orderId) ?? 0) + 1)
    return { status: 201, body: { chargeId: `ch_${charges}`, orderId, amountCents } }
  }

  return {
    handle: ({ method, path: [resource, id], header, body }) => {
      if (method !== "POST" || resource !== "charges" || id !== undefined) {
        return { status: 404, body: { error: "no route" } }
      }
      const key = header("idempotency-key")
      const decoded = decodeCharge(body)
      if (key === undefined || key === "") return { status: 400, body: { error: "Idempotency-Key is missing" } }
      if (Either.isLeft(decoded)) return { status: 400, body: { error: "invalid charge" } }
      const { orderId, amountCents } = decoded.right
      const known = answers.get(key)
      if (known !== undefined) {
        return known.orderId === orderId && known.amountCents === amountCents
          ? known.answer
          : { status: 422, body: { error: "this key belongs to another charge" } }
      }
      const answer = book(orderId, amountCents)
      answers.set(key, { orderId, amountCents, answer })
      return answer
    },
    books: () => ({
      charges,
      maxChargesPerOrder: [...chargesPerOrder.values()].reduce((most, count) => Math.max(most, count), 0)
    })
  }
}
