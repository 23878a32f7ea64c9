import { aboutFive } from "../subjects/FivePolicies.js"

export const question = aboutFive(11, "under a published deadline", "bare call", 8, "10 seconds")
