/**
 * Compiles the questions and our packages to plain JavaScript, as they are published. Run from TypeScript by a loader that
 * gives each function its name anew whenever one is made, ours would cost half as much again as they cost their users.
 */
import { build, type BuildOptions } from "esbuild"
import { fileURLToPath } from "node:url"

const inBench = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

const common: BuildOptions = {
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  logLevel: "warning"
}

/** Where the compiled `ask.ts` is, which answers one question. */
export const built = async (): Promise<string> => {
  await Promise.all([
    build({
      ...common,
      entryPoints: [inBench("ask.ts"), inBench("subjects/http-server.ts")],
      outdir: inBench("dist"),
      splitting: true,
      // The peers come as they are published; our packages are sources, and are compiled with the questions.
      external: [
        "@effect/platform",
        "@effect/platform-node",
        "axios",
        "axios-retry",
        "cockatiel",
        "effect",
        "got",
        "limiter",
        "opossum",
        "p-limit",
        "p-retry",
        "p-timeout",
        "undici"
      ]
    }),
    build({
      ...common,
      entryPoints: [inBench("effect-4/breaker.ts")],
      outdir: inBench("effect-4/dist"),
      external: ["effect"]
    })
  ])
  return inBench("dist/ask.js")
}
