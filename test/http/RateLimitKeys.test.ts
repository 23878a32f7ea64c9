import { InvalidOptions } from "@effect-resilience/core"
import { RateLimitMiddleware } from "@effect-resilience/http"
import { HttpServerRequest } from "@effect/platform"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { keyOf } from "../../packages/http/src/server/RateLimitKeys.js"

const { byAddress, byHeader, firstOf } = RateLimitMiddleware

const of = (key: RateLimitMiddleware.Key, headers: Record<string, string> = {}, from = "203.0.113.7") =>
  keyOf(key, HttpServerRequest.fromWeb(new Request("http://a.example", { headers })).modify({ remoteAddress: from }))

describe("the key of a request", () => {
  it.effect("by a header is its value, but not where that is unknown, or an address", () =>
    Effect.gen(function* () {
      const sending = (value: string) => ({ "X-Api-Key": value })
      expect(yield* of(byHeader("X-Api-Key"), sending("k-17"))).toBe("k-17")
      expect(yield* of(byHeader("x-api-key"))).toBe("")
      expect(yield* of(byHeader("x-api-key"), sending("203.0.113.9"))).toBe("")
      expect(yield* of(byHeader("x-api-key"), sending("::1"))).toBe("")
      const known = byHeader("x-api-key", { known: (value) => value === "k-17" })
      expect([yield* of(known, sending("k-17")), yield* of(known, sending("k-18"))]).toEqual(["k-17", ""])
    })
  )

  it.effect("that nobody could remember is none", () =>
    Effect.gen(function* () {
      const key = byHeader("x-api-key")
      expect(yield* of(key, { "x-api-key": "k".repeat(256) })).toHaveLength(256)
      expect(yield* of(key, { "x-api-key": "k".repeat(257) })).toBe("")
    })
  )

  it.effect("by address is that of the socket, in one way to write it, and of a network in IPv6", () =>
    Effect.gen(function* () {
      const from = (address: string, options?: RateLimitMiddleware.AddressOptions) =>
        of(byAddress(options), {}, address)
      expect(yield* from("203.0.113.7")).toBe("203.0.113.7")
      expect(yield* from("::ffff:203.0.113.7")).toBe("203.0.113.7")
      expect(yield* from("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2:0:0:0:0")
      expect(yield* from("2001:DB8:1:2::")).toBe("2001:db8:1:2:0:0:0:0")
      expect(yield* from("2001:db8:1:3::1")).not.toBe(yield* from("2001:db8:1:2::1"))
      expect(yield* from("2001:db8:1:2::1", { ipv6Bits: 128 })).toBe("2001:db8:1:2:0:0:0:1")
      expect(yield* from("2001:db8:1:2::1", { ipv6Bits: 48 })).toBe("2001:db8:1:0:0:0:0:0")
      expect(yield* from("not an address")).toBe("")
    })
  )

  it.effect("by address is what trusted proxies say, and nothing that a caller has written before them", () =>
    Effect.gen(function* () {
      const key = byAddress({ trusted: ["10.0.0.0/8", "::1"] })
      const rows: ReadonlyArray<readonly [from: string, forwarded: string | undefined, key: string]> = [
        ["203.0.113.7", "198.51.100.1", "203.0.113.7"],
        ["10.0.0.1", "198.51.100.1", "198.51.100.1"],
        ["10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"],
        ["10.0.0.1", "6.6.6.6, 198.51.100.1, 10.9.9.9", "198.51.100.1"],
        ["::ffff:10.0.0.1", "198.51.100.1:55123", "198.51.100.1"],
        ["::1", "[2001:db8::1]:443", "2001:db8:0:0:0:0:0:0"],
        ["10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"],
        ["10.0.0.1", "6.6.6.6, unknown", "10.0.0.1"],
        ["10.0.0.1", "6.6.6.6, garbage, 10.0.0.2", "10.0.0.2"],
        ["10.0.0.1", undefined, "10.0.0.1"],
        ["10.0.0.1", "", "10.0.0.1"]
      ]
      for (const [from, forwarded, expected] of rows) {
        const headers: Record<string, string> = forwarded === undefined ? {} : { "x-forwarded-for": forwarded }
        expect([from, forwarded, yield* of(key, headers, from)]).toEqual([from, forwarded, expected])
      }
    })
  )

  it.effect("is the first that there is, by functions and effects alike", () =>
    Effect.gen(function* () {
      const key = firstOf(
        byHeader("x-api-key"),
        ({ headers }) => Effect.succeed(Option.fromNullable(headers["x-user"])),
        byAddress()
      )
      expect(yield* of(key, { "x-api-key": "k-17", "x-user": "u-1" })).toBe("k-17")
      expect(yield* of(key, { "x-user": "u-1" })).toBe("u-1")
      expect(yield* of(key)).toBe("203.0.113.7")
      expect(yield* of(firstOf(), {})).toBe("")
    })
  )

  it("is refused where it cannot be meant", () => {
    for (const options of [{ trusted: ["proxy.example"] }, { ipv6Bits: 0 }, { ipv6Bits: 129 }])
      expect(() => byAddress(options), JSON.stringify(options)).toThrow(InvalidOptions.InvalidOptions)
  })
})
