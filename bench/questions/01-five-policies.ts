import { aboutFive } from "../subjects/FivePolicies.js"

export const question = aboutFive(1, "against the bare call", "bare call", 3.5)
