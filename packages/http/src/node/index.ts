export * as ResilientNodeClient from "./ResilientNodeClient.js"
