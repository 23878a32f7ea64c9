import { defineConfig } from "vitest/config"
import TestTotals from "./scripts/test-totals.js"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // A busy machine makes tests slow, never wrong: the limit only ends what hangs.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    minWorkers: 1,
    maxWorkers: 2,
    // Loading Effect for each file anew takes longer than most of the tests. What files share by this, tests must not
    // notice anyway.
    isolate: false,
    // Finds state that tests share without meaning to.
    sequence: { concurrent: true },
    reporters: ["default", new TestTotals()]
  }
})
