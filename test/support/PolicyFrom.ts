/** Policies that an environment makes. */
import { Policy } from "@effect-resilience/core"
import { type ConfigError, ConfigProvider, Context, Effect, Layer } from "effect"

class PaymentPolicy extends Context.Tag("test/PaymentPolicy")<PaymentPolicy, Policy.Standard>() {}

/** An environment. */
export type Variables = Readonly<Record<string, string>>

/** The policy named `payment` that an environment makes. */
export const policyFrom = (variables: Variables, defaults?: Policy.StandardOptions, name = "payment") =>
  Layer.build(Policy.layerConfig(PaymentPolicy, name, defaults)).pipe(
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables)))),
    Effect.map(Context.get(PaymentPolicy))
  )

/** What is wrong, each with the variables it names. */
export const complaints = (variables: Variables, defaults?: Policy.StandardOptions) =>
  Effect.map(Effect.flip(policyFrom(variables, defaults)), (error) => {
    const told: Array<string> = []
    const visit = (each: ConfigError.ConfigError): void => {
      if (each._op === "And" || each._op === "Or") {
        visit(each.left)
        visit(each.right)
      } else told.push(`${each.path.join(".")} ${each.message}`)
    }
    visit(error)
    return told
  })
