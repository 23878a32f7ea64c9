/**
 * The order service as plain JavaScript, as one runs it: a loader of TypeScript gives each function its name anew whenever
 * one is made, and a service that is to be busy with work would be busy with that.
 */
import { Effect } from "effect"
import { build } from "esbuild"
import { fileURLToPath } from "node:url"

const inOrderService = (path: string): string =>
  fileURLToPath(new URL(`../../examples/order-service/${path}`, import.meta.url))

/** Compiles it, and says where it is. */
export const orderService: Effect.Effect<string> = Effect.promise(async () => {
  const outfile = inOrderService("dist/main.js")
  await build({
    entryPoints: [inOrderService("src/main.ts")],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "warning",
    external: ["effect", "@effect/platform", "@effect/platform-node"]
  })
  return outfile
})
