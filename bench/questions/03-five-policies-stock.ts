import { aboutFive } from "../subjects/FivePolicies.js"

export const question = aboutFive(3, "against stock operators", "stock operators", 0.06)
