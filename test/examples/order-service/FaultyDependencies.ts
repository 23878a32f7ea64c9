/**
 * The scripted dependencies behind a plan each: eight parts of an outage in which payment slows down, refuses and comes back,
 * while the parts of a page have troubles of their own.
 */
import { FaultInjection, FaultPlan } from "@effect-resilience/chaos"
import { Layer } from "effect"
import { Catalogue } from "../../../examples/order-service/src/Catalogue.js"
import { Inventory } from "../../../examples/order-service/src/Inventory.js"
import { Notification } from "../../../examples/order-service/src/Notification.js"
import { Payment } from "../../../examples/order-service/src/Payment.js"
import { Pricing } from "../../../examples/order-service/src/Pricing.js"
import { Recommendations } from "../../../examples/order-service/src/Recommendations.js"
import { Reviews } from "../../../examples/order-service/src/Reviews.js"
import { refused, type ScriptedDependencies } from "./ScriptedDependencies.js"

/** How many parts the outage has; after the last one all is well. */
export const parts = 8

/** What goes wrong, where a part of the outage lasts so many milliseconds. */
const plans = (part: number) => {
  const { fault, hang, latency, lostReply, lognormal, phase, phases, uniform } = FaultPlan
  const slow = latency(lognormal({ median: "5 seconds", p99: "9 seconds" }))
  return {
    // Well, slow for three parts, gone for two, then back, where the answers of some charges are lost.
    payment: phases(
      phase(part),
      phase(3 * part, slow),
      phase(2 * part, fault("Refused")),
      phase(part, lostReply("Refused", { rate: 0.2 }))
    ),
    inventory: phases(phase(2 * part), phase(part / 2, fault("Refused", { methods: ["reserve"] }))),
    notification: phases(phase(part), phase(3 * part, fault("Refused"))),
    catalogue: phases(phase(parts * part, latency(uniform(0, "40 millis"), { methods: ["product"] }))),
    pricing: phases(phase(parts * part, fault("Refused", { rate: 0.01 }))),
    reviews: phases(phase(2 * part), phase(2 * part, fault("Refused"))),
    recommendations: phases(phase(3 * part), phase(2 * part, hang({ rate: 0.9 })))
  }
}

/** The same dependencies, each hit by its plan, which chance decides by the seed. */
export const make = (
  town: ScriptedDependencies,
  options: { readonly part: number; readonly seed: number }
): ScriptedDependencies => {
  const { catalogue, inventory, notification, payment, pricing, recommendations, reviews } = plans(options.part)
  const of = <Name extends string>(name: Name) => ({
    name,
    seed: options.seed,
    errors: { Refused: () => refused(name) }
  })
  const faulty = Layer.mergeAll(
    FaultInjection.layer(Payment, payment, of("payment")),
    FaultInjection.layer(Inventory, inventory, of("inventory")),
    FaultInjection.layer(Notification, notification, of("notification")),
    FaultInjection.layer(Catalogue, catalogue, of("product")),
    FaultInjection.layer(Pricing, pricing, of("pricing")),
    FaultInjection.layer(Reviews, reviews, of("reviews")),
    FaultInjection.layer(Recommendations, recommendations, of("recommendations"))
  )
  return { ...town, layer: Layer.provide(faulty, town.layer) }
}
