export * as ResilientNodeServer from "./ResilientNodeServer.js"
