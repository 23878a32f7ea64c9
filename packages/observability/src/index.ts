export * as Drain from "./Drain.js"
export * as Health from "./Health.js"
