/**
 * Runs the order service. `PORT`, `ADMIN_PORT`, `HOST`, `DATA_DIR`, `POOL_SIZE`, `POLICIES`, `OPENING_SCALE`,
 * `DRAIN_PRE_STOP_DELAY`, `DRAIN_TIMEOUT`, `TRUSTED_CALLERS`, `HEDGE_REVIEWS`, `RATE_LIMIT` and `CAPACITY` (see Admission.ts),
 * `CHAOS_ENABLED` (see Chaos.ts) and the dependencies' URLs come from the environment.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Process from "./Process.js"

NodeRuntime.runMain(Process.run, { disableErrorReporting: true, disablePrettyLogger: true })
