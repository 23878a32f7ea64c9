import { describe, expect, it } from "@effect/vitest"
import { InvalidOptions } from "@effect-resilience/core"
import { HttpRouter, HttpServerResponse } from "@effect/platform"
import { Effect, Either } from "effect"
import { partsOf, probes, table } from "../../packages/http/src/server/RoutePattern.js"
import { handled } from "../support/Handled.js"

const matching = (...patterns: ReadonlyArray<string>) =>
  Either.getOrThrow(
    table(
      "routes",
      patterns.map((pattern) => [pattern, pattern] as const)
    )
  )
const get = (originalUrl: string) => ({ method: "GET", originalUrl }) as const

describe("a pattern of requests", () => {
  it("fits a path whatever it is written like, and no other", () => {
    const find = matching("/items/:id")
    const same = ["/items/7", "/Items/7/", "//items//7", "/items/7?all", "/items/7;v=1", "/items/7#a", "/%69tems/7"]
    for (const path of [...same, "http://shop.example/items/7"]) expect(find(get(path)), path).toBe("/items/:id")
    for (const path of ["/items", "/items/7/reviews", "/item/7", "/", "", "/items/%E0%A4%A", "*"])
      expect(find(get(path)), path).toBeUndefined()
  })

  it.effect("is read as the platform's router reads it", () =>
    Effect.gen(function* () {
      const router = HttpRouter.empty.pipe(HttpRouter.get("/items/:id", HttpServerResponse.empty({ status: 200 })))
      const find = matching("/items/:id")
      const paths = [
        "/items/7",
        "/ITEMS/7",
        "/items/7/",
        "//items/7",
        "/items",
        "/items/7/a",
        "/%69tems/7",
        "/items/a%2Fb"
      ]
      for (const path of [...paths, "/items/7;a", "/items/7?a", "/items/%E0%A4%A", "/ite%6ds/7?x=/health/live"]) {
        const { status } = yield* handled(router, { path })
        expect([path, find(get(path)) !== undefined]).toEqual([path, status === 200])
      }
    })
  )

  it("fits all below a star, with a method only that, and the first of several is it", () => {
    const find = matching("GET /health/*", "POST /items", "/items/special", "/items/:id", "OPTIONS *")
    const found = (method: "GET" | "POST" | "OPTIONS", originalUrl: string) => find({ method, originalUrl })
    expect(found("GET", "/health")).toBe("GET /health/*")
    expect(found("GET", "/health/live/now")).toBe("GET /health/*")
    expect(found("POST", "/health/live")).toBeUndefined()
    expect(found("GET", "/healthy")).toBeUndefined()
    expect(found("POST", "/items")).toBe("POST /items")
    expect(found("GET", "/items")).toBeUndefined()
    expect(found("GET", "/items/special")).toBe("/items/special")
    expect(found("GET", "/items/7")).toBe("/items/:id")
    expect(found("OPTIONS", "/anything/at/all")).toBe("OPTIONS *")
  })

  it.effect(
    "for GET fits HEAD, which the platform's router serves by the same route; for HEAD it fits that alone",
    () =>
      Effect.gen(function* () {
        const find = matching("HEAD /first", "GET /items/:id")
        const router = HttpRouter.empty.pipe(HttpRouter.get("/items/:id", HttpServerResponse.empty({ status: 200 })))
        expect((yield* handled(router, { method: "HEAD", path: "/items/7" })).status).toBe(200)
        expect(find({ method: "HEAD", originalUrl: "/items/7" })).toBe("GET /items/:id")
        expect(find({ method: "POST", originalUrl: "/items/7" })).toBeUndefined()
        expect(find({ method: "HEAD", originalUrl: "/first" })).toBe("HEAD /first")
        expect(find({ method: "GET", originalUrl: "/first" })).toBeUndefined()
      })
  )

  it("is refused where it cannot be meant, all at once", () => {
    const wrong = ["items", "/a/*/b", "GET", "GET items", "/a b", ""]
    const read = table(
      "routes",
      wrong.map((pattern) => [pattern, true] as const)
    )
    const problems = Either.match(read, { onLeft: (all) => all, onRight: () => [] })
    expect(problems.map(({ option, value }) => [option, value])).toEqual(
      wrong.map((pattern) => ["routes", JSON.stringify(pattern)])
    )
    expect(new InvalidOptions.InvalidOptions({ policy: "a", problems }).message).toContain('"GET /health/*"')
  })

  it("of probes fits what is served to orchestrators and scrapers", () => {
    const find = matching(...probes)
    for (const path of ["/health/live", "/health/ready", "/health/dependencies", "/metrics"])
      expect(find(get(path)), path).toBeDefined()
    expect(partsOf("/metrics/")).toEqual(["metrics"])
  })
})
