export * as Timeline from "./Timeline.js"
export * as VirtualTime from "./VirtualTime.js"
