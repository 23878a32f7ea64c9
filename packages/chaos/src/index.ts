export * as PolicyLaws from "./PolicyLaws.js"
export * as ScriptedService from "./ScriptedService.js"
