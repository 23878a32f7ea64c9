/**
 * Who comes when. The schedule is a pure function of the seed, so every run of a demo sees the same customers at the
 * same moments wanting the same things, and nobody waits for anybody (an open loop).
 *
 * The load is steady: the gaps of a kind are uniform between half and one and a half times their mean.
 */
import * as Catalog from "../dependencies/Catalog.js"
import * as Chance from "../dependencies/Chance.js"
import type { Timeline } from "./Timeline.js"

/** Orders and pages a second. Orders x 5 s is three times the pool: that is what exhausts it when payment is slow. */
export interface Rates {
  readonly ordersPerSecond: number
  readonly pagesPerSecond: number
}

export const rates: Rates = { ordersPerSecond: 60, pagesPerSecond: 10 }

export interface OrderArrival {
  readonly _tag: "Order"
  readonly index: number
  /** The intended start, milliseconds from the timeline's zero. */
  readonly at: number
  readonly productId: string
  readonly quantity: number
  readonly amountCents: number
}

export interface PageArrival {
  readonly _tag: "Page"
  readonly index: number
  readonly at: number
  readonly productId: string
  /** The only price that may be on the page. */
  readonly priceCents: number
}

export type Arrival = OrderArrival | PageArrival

const times = (seed: number, stream: string, perSecond: number, timeline: Timeline): ReadonlyArray<number> => {
  const found: Array<number> = []
  const mean = 1000 / perSecond
  let at = -timeline.warmUpMillis
  for (let index = 0; ; index++) {
    at += mean * (0.5 + Chance.uniform({ seed, stream, index }))
    if (at >= timeline.endAt) return found
    found.push(at)
  }
}

/** The scarce last product is looked at but not ordered: being out of stock is not what the demo is about. */
const order = (seed: number, index: number, at: number): OrderArrival => {
  const number = Chance.integer({ seed, stream: "order/product", index }, 1, Catalog.size - 1)
  const quantity = Chance.integer({ seed, stream: "order/quantity", index }, 1, 3)
  return {
    _tag: "Order",
    index,
    at,
    productId: Catalog.idOf(number),
    quantity,
    amountCents: quantity * Catalog.priceCents(number)
  }
}

const page = (seed: number, index: number, at: number): PageArrival => {
  const number = Chance.integer({ seed, stream: "page/product", index }, 1, Catalog.size)
  return { _tag: "Page", index, at, productId: Catalog.idOf(number), priceCents: Catalog.priceCents(number) }
}

/** All arrivals in the order of their time. */
export const schedule = (seed: number, timeline: Timeline, load: Rates = rates): ReadonlyArray<Arrival> =>
  [
    ...times(seed, "order/gap", load.ordersPerSecond, timeline).map((at, index) => order(seed, index, at)),
    ...times(seed, "page/gap", load.pagesPerSecond, timeline).map((at, index) => page(seed, index, at))
  ].toSorted((a, b) => a.at - b.at)
