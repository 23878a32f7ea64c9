/**
 * Runs the order service. `PORT`, `HOST`, `DATA_DIR`, `POOL_SIZE`, `POLICIES`, `OPENING_SCALE` and the dependencies'
 * URLs come from the environment.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Process from "./Process.js"

NodeRuntime.runMain(Process.run, { disableErrorReporting: true })
