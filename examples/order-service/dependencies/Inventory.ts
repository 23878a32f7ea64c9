/** The inventory dependency: stock, and reservations that are idempotent by order. */
import { Either, Option, Schema } from "effect"
import * as Catalog from "./Catalog.js"
import type { JsonRequest, JsonResponse } from "./JsonServer.js"

const Reservation = Schema.Struct({
  orderId: Schema.NonEmptyString,
  productId: Schema.String,
  quantity: Schema.Int.pipe(Schema.positive())
})
const decodeReservation = Schema.decodeUnknownEither(Reservation)

const unknownProduct: JsonResponse = { status: 404, body: { error: "unknown product" } }

export const make = (): ((request: JsonRequest) => JsonResponse) => {
  const taken = new Map<number, number>()
  const reservations = new Map<string, { readonly number: number; readonly quantity: number }>()
  const available = (number: number): number => Catalog.initialStock(number) - (taken.get(number) ?? 0)

  const reserve = (body: unknown): JsonResponse => {
    const decoded = decodeReservation(body)
    if (Either.isLeft(decoded)) return { status: 400, body: { error: "invalid reservation" } }
    const { orderId, productId, quantity } = decoded.right
    const number = Catalog.numberOf(productId)
    if (Option.isNone(number)) return unknownProduct
    if (!reservations.has(orderId)) {
      if (available(number.value) < quantity) return { status: 409, body: { reason: "out-of-stock" } }
      reservations.set(orderId, { number: number.value, quantity })
      taken.set(number.value, (taken.get(number.value) ?? 0) + quantity)
    }
    return { status: 201, body: { orderId, reserved: true } }
  }

  const release = (orderId: string): JsonResponse => {
    const held = reservations.get(orderId)
    if (held !== undefined) {
      reservations.delete(orderId)
      taken.set(held.number, (taken.get(held.number) ?? 0) - held.quantity)
    }
    return { status: 204 }
  }

  return ({ method, path: [resource, id], body }) => {
    if (method === "POST" && resource === "reservations" && id === undefined) return reserve(body)
    if (method === "DELETE" && resource === "reservations" && id !== undefined) return release(id)
    if (method !== "GET" || resource !== "stock" || id === undefined)
      return { status: 404, body: { error: "no route" } }
    return Option.match(Catalog.numberOf(id), {
      onNone: () => unknownProduct,
      onSome: (number) => ({ status: 200, body: { productId: id, available: available(number) } })
    })
  }
}
