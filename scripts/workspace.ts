/** The published packages, each after those that it depends on. */
export const packageNames: ReadonlyArray<string> = ["machines", "core", "http", "chaos", "observability"]
