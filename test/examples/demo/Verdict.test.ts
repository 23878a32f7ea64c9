import { describe, expect, it } from "@effect/vitest"
import { Option } from "effect"
import type { OrderArrival, PageArrival } from "../../../examples/order-service/demo/Arrivals.js"
import * as Verdict from "../../../examples/order-service/demo/Verdict.js"

const arrival: PageArrival = { _tag: "Page", index: 0, at: 0, productId: "p7", priceCents: 1070 }

const full = {
  id: "p7",
  product: { name: "Product 7", description: "The 7th" },
  price: { amountCents: 1070, currency: "EUR" },
  reviews: { rating: 4, count: 2 },
  recommendations: ["p8"],
  stock: { available: true, estimated: false },
  degraded: [] as ReadonlyArray<string>
}

const judge = (body: unknown, status = 200): Verdict.Verdict =>
  Verdict.judge(arrival, Option.some({ status, body: typeof body === "string" ? body : JSON.stringify(body) }))

describe("a page", () => {
  it("with everything on it is answered in full", () => {
    expect(judge(full)).toMatchObject({ result: "answered", wrong: false })
  })

  it("that says what is missing is degraded", () => {
    expect(judge({ ...full, reviews: null, degraded: ["reviews"] })).toMatchObject({ result: "degraded", wrong: false })
  })

  it("with another price is wrong, degraded or not", () => {
    const price = { amountCents: 1071, currency: "EUR" }
    expect(judge({ ...full, price })).toMatchObject({ result: "failed", wrong: true })
    expect(judge({ ...full, price, degraded: ["reviews"] })).toMatchObject({ result: "failed", wrong: true })
  })

  it.each([
    ["price", { price: null }],
    ["reviews", { reviews: null }],
    ["recommendations", { recommendations: [] }],
    ["a stock that was looked up", { stock: { available: true, estimated: true } }]
  ])("that claims to be complete without %s is wrong", (_, part) => {
    expect(judge({ ...full, ...part })).toMatchObject({ result: "failed", wrong: true })
  })

  it("of another product, or that is no page, is wrong; an error status only fails", () => {
    expect(judge({ ...full, id: "p8" }).wrong).toBe(true)
    expect(judge("<html>").wrong).toBe(true)
    expect(judge({ error: "no price" }, 503)).toMatchObject({ result: "failed", wrong: false })
    expect(Verdict.judge(arrival, Option.none())).toMatchObject({ result: "failed", wrong: false })
  })
})

describe("an order", () => {
  const order: OrderArrival = { _tag: "Order", index: 0, at: 0, productId: "p7", quantity: 1, amountCents: 1070 }
  const judgeOrder = (status: number, body: unknown): Verdict.Verdict =>
    Verdict.judge(order, Option.some({ status, body: JSON.stringify(body) }))

  it("is confirmed at once, confirmed on an estimate, pending, or failed", () => {
    expect(judgeOrder(201, { id: "o1", status: "confirmed", inventory: "reserved" })).toMatchObject({
      result: "answered",
      confirmed: true,
      pending: false
    })
    expect(judgeOrder(201, { id: "o1", status: "confirmed", inventory: "estimated" })).toMatchObject({
      result: "degraded",
      confirmed: true
    })
    expect(judgeOrder(202, { id: "o1", status: "pending", inventory: "reserved" })).toMatchObject({
      result: "degraded",
      confirmed: false,
      pending: true,
      orderId: Option.some("o1")
    })
    expect(judgeOrder(503, { error: "full" })).toMatchObject({ result: "failed", confirmed: false, pending: false })
  })
})
