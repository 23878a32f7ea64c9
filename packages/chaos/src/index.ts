export * as FaultInjection from "./FaultInjection.js"
export * as FaultPlan from "./FaultPlan.js"
export * as VirtualTime from "./VirtualTime.js"
