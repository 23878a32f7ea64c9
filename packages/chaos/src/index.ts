export * as VirtualTime from "./VirtualTime.js"
