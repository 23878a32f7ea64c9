/** What the dependencies know about products: `p1` to `p200`, each with a price anyone can check. */
import { Option } from "effect"

/** How many products there are. */
export const size = 200

/** The number in a product's id, if there is such a product. */
export const numberOf = (id: string): Option.Option<number> => {
  const digits = /^p([1-9]\d{0,2})$/.exec(id)?.[1]
  const number = Number(digits)
  return digits !== undefined && number <= size ? Option.some(number) : Option.none()
}

/** The true price of the product with this number, in cents. */
export const priceCents = (number: number): number => 1000 + 10 * number

export const idOf = (number: number): string => `p${((number - 1) % size) + 1}`

export const product = (number: number) => ({
  id: idOf(number),
  name: `Product ${number}`,
  description: `The ${number}${["th", "st", "nd", "rd"][number % 100 > 10 && number % 100 < 14 ? 0 : number % 10] ?? "th"} of our ${size} products.`
})

export const price = (number: number) => ({ id: idOf(number), amountCents: priceCents(number), currency: "EUR" })

export const reviews = (number: number) => ({
  id: idOf(number),
  rating: 3 + ((number * 7) % 21) / 10,
  count: (number * 13) % 90
})

/** Three neighbours; never the product itself. */
export const recommendations = (number: number) => ({
  items: [idOf(number + 1), idOf(number + 2), idOf(number + 3)]
})

export const popular = { items: ["p1", "p2", "p3", "p5", "p8"] }

/** How many pieces there are at first. The last product is scarce, so that "out of stock" can be seen. */
export const initialStock = (number: number): number => (number === size ? 5 : 100_000)
