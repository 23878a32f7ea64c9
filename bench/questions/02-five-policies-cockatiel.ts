import { aboutFive } from "../subjects/FivePolicies.js"

export const question = aboutFive(2, "against cockatiel", "cockatiel wrap of five", 0.2)
