export * as ScriptedService from "./ScriptedService.js"
