/**
 * Faults on purpose, for an experiment in staging: between the bare clients and their policies, so that what they meet is met
 * as it would be from a real dependency. `CHAOS_ENABLED=true` and the variables that `ChaosControl` reads turn it on; without
 * it the clients are the very same objects.
 */
import { ChaosControl } from "@effect-resilience/chaos"
import { Outcome, Telemetry } from "@effect-resilience/core"
import { Config, ConfigError, Layer, Predicate } from "effect"
import { Catalogue } from "./Catalogue.js"
import { DependencyFailed } from "./Dependency.js"
import { Inventory } from "./Inventory.js"
import { Notification } from "./Notification.js"
import { Payment } from "./Payment.js"
import { Pricing } from "./Pricing.js"
import type { Clients } from "./Protection.js"
import { Recommendations } from "./Recommendations.js"
import { Reviews } from "./Reviews.js"

/** How each dependency fails: as one that refuses connections, so whatever is hit may be repeated. */
const failing = (dependency: string) => ({
  failure: () =>
    new DependencyFailed({
      dependency,
      reason: "a failure was injected",
      status: undefined,
      [Outcome.OutcomeTypeId]: Outcome.failure({ transient: true })
    })
})

/** The clients, under control by the names of their policies. */
const controlled = Layer.mergeAll(
  ChaosControl.layer(Inventory, "inventory", failing("inventory")),
  ChaosControl.layer(Payment, "payment", failing("payment")),
  ChaosControl.layer(Notification, "notification", failing("notification")),
  ChaosControl.layer(Catalogue, "product", failing("product")),
  ChaosControl.layer(Pricing, "pricing", failing("pricing")),
  ChaosControl.layer(Reviews, "reviews", failing("reviews")),
  ChaosControl.layer(Recommendations, "recommendations", failing("recommendations"))
)

/** The control, where a process that must not have one says so as of any other variable with a wrong value. */
const control = ChaosControl.layerConfig().pipe(
  Layer.catchAll((error) =>
    Layer.fail(Predicate.isTagged(error, "ChaosRefused") ? ConfigError.InvalidData(["NODE_ENV"], error.message) : error)
  )
)

/** The same clients, hit as the environment says. */
export const over = <E, R>(clients: Layer.Layer<Clients, E, R>) =>
  controlled.pipe(Layer.provide(clients), Layer.provide(control))

/** One line for each call that was made to fail, where chaos is on. */
export const layerLog = Layer.unwrapEffect(
  Config.boolean("CHAOS_ENABLED").pipe(
    Config.withDefault(false),
    Config.map((on) =>
      on
        ? Telemetry.layer((event) => {
            if (event._tag === "FaultInjected" && event.fault !== "latency")
              console.error(`FaultInjected ${event.policy}: ${event.fault} of ${event.method}`)
          })
        : Layer.empty
    )
  )
)
