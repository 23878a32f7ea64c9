import { mkdirSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { requireTool } from "./processes.js"
import { root } from "./source-files.js"
import { packageNames } from "./workspace.js"

const tarballs = join(root, "tarballs")

const pack = (): void => {
  rmSync(tarballs, { recursive: true, force: true })
  mkdirSync(tarballs)

  // From nothing, so that no output of a module that is gone gets into a tarball.
  for (const name of packageNames) rmSync(join(root, "packages", name, "dist"), { recursive: true, force: true })
  requireTool("tsc", ["-b", ...packageNames.map((name) => `packages/${name}`)])

  for (const name of packageNames) {
    requireTool("pnpm", ["pack", "--pack-destination", tarballs], join(root, "packages", name))
  }

  for (const tarball of readdirSync(tarballs)) {
    const path = join(tarballs, tarball)
    requireTool("publint", [path, "--strict"])
    requireTool("attw", [path, "--profile", "esm-only", "--no-emoji", "--no-color"])
    console.log(`tarballs/${tarball}`)
  }
}

try {
  pack()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
