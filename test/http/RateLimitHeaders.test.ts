import { RateLimitHeaders } from "@effect-resilience/http"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Option } from "effect"
import * as fc from "fast-check"
import { cases } from "../support/Law.js"

const read = (header: string) =>
  RateLimitHeaders.parse(header).map(({ policy, remaining, reset }) => [
    policy,
    Option.getOrUndefined(remaining),
    Option.getOrUndefined(Option.map(reset, Duration.toSeconds))
  ])

describe("RateLimit", () => {
  it("is a list of named quotas", () => {
    expect(read('"default";r=50;t=30')).toEqual([["default", 50, 30]])
    expect(read('"burst" ; r=0 ; t=1.5 , "daily";r=7, tokens;t=3;pk=:c2VjcmV0:')).toEqual([
      ["burst", 0, 1.5],
      ["daily", 7, undefined],
      ["tokens", undefined, 3]
    ])
    expect(read('"a, \\"b\\"; c";r=1')).toEqual([['a, "b"; c', 1, undefined]])
  })

  it("is read in the form of older drafts too", () => {
    expect(read("limit=100, remaining=0, reset=30")).toEqual([["", 0, 30]])
  })

  it("is not taken in by what stands in quotation marks", () => {
    const [quota, ...more] = RateLimitHeaders.parse('"api;r=1";r=5;by="a;r=0;t=99";t=9')
    expect([quota, more]).toEqual([
      { policy: "api;r=1", remaining: Option.some(5), reset: Option.some(Duration.seconds(9)) },
      []
    ])
  })

  it("says nothing where it cannot be read", () => {
    expect(read("")).toEqual([])
    expect(read('"open;r=1')).toEqual([])
    expect(read('"a";r=-1;t=soon')).toEqual([["a", undefined, undefined]])
    expect(read(`"${"a".repeat(3_000)}";r=1`)).toEqual([])
  })

  it("asks to wait until all quotas that are used up are renewed", () => {
    const wait = (header: string) =>
      Option.getOrUndefined(Option.map(RateLimitHeaders.retryAfter(RateLimitHeaders.parse(header)), Duration.toSeconds))
    expect(wait('"a";r=0;t=2, "b";r=0;t=9, "c";r=1;t=99')).toBe(9)
    expect(wait('"a";r=1;t=2')).toBe(undefined)
    expect(wait('"a";r=0')).toBe(undefined)
    expect(wait('"a";t=4')).toBe(4)
  })

  it("reads back what it has printed", () => {
    const quota = fc.record({
      policy: fc.string({ unit: fc.constantFrom("a", "Z", "0", " ", ",", ";", "=", '"', "\\"), maxLength: 12 }),
      remaining: fc.option(fc.nat(), { nil: undefined }).map(Option.fromNullable),
      reset: fc.option(fc.nat().map(Duration.seconds), { nil: undefined }).map(Option.fromNullable)
    })
    fc.assert(
      fc.property(fc.array(quota, { maxLength: 5 }), (quotas) => {
        expect(RateLimitHeaders.parse(RateLimitHeaders.print(quotas))).toEqual(quotas)
      }),
      cases(200)
    )
  })

  it("never throws, and takes no long time over what is no list", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (header) => {
        expect(Array.isArray(RateLimitHeaders.parse(header))).toBe(true)
      }),
      cases(200)
    )
    expect(read(`a${";b=  ".repeat(300)}"`)).toEqual([])
  })
})
