import { RetryAfter } from "@effect-resilience/http"
import { describe, expect, it } from "@effect/vitest"
import { Duration, Option } from "effect"
import * as fc from "fast-check"
import { cases } from "../support/Law.js"

const millis = (header: string, nowMillis = 0): number | undefined =>
  Option.getOrUndefined(Option.map(RetryAfter.parse(header, nowMillis), Duration.toMillis))

describe("Retry-After", () => {
  it("may be a number of seconds, also with decimals", () => {
    expect(millis("120")).toBe(120_000)
    expect(millis("0")).toBe(0)
    expect(millis("1.5")).toBe(1_500)
    expect(millis("  7 ")).toBe(7_000)
  })

  it("may be a date in any of the three forms of HTTP, and says how long it is until then", () => {
    const at = Date.UTC(1994, 10, 6, 8, 49, 37)
    const forms = ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
    for (const form of forms) expect(millis(form, at - 90_000)).toBe(90_000)
    expect(millis("Wed Oct 21 07:28:00 2015", Date.UTC(2015, 9, 21, 7, 27))).toBe(60_000)
  })

  it("is no time at all for a date that has passed", () => {
    expect(millis("Sun, 06 Nov 1994 08:49:37 GMT", Date.UTC(2020, 0, 1))).toBe(0)
  })

  it("is nothing where it is neither", () => {
    const odd = ["", "soon", "-1", "+1", "1e3", "0x10", "1,5", ".5", "5.", "1 2", "12345678901", "Infinity", "NaN"]
    const almostDates = [
      "Soon, 5",
      "Sun, 06 Nov 1994 08:49:37",
      "Sun, 06 Nov 1994 08:49:37 EST",
      "Sun, 99 Nov 1994 08:49:37 GMT",
      "Sun, 06 Foo 1994 08:49:37 GMT",
      "1994-11-06T08:49:37Z",
      "November 6, 1994"
    ]
    for (const header of [...odd, ...almostDates]) expect([header, millis(header)]).toEqual([header, undefined])
  })

  it("reads back every moment that HTTP can print", () => {
    const moment = fc.integer({ min: 0, max: 4_102_444_800 })
    fc.assert(
      fc.property(moment, (second) => {
        expect(millis(new Date(second * 1_000).toUTCString())).toBe(second * 1_000)
      }),
      cases(200)
    )
  })

  it("never throws and is never negative, whatever a server sends", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.nat(), (header, now) => {
        expect(millis(header, now) ?? 0).toBeGreaterThanOrEqual(0)
      }),
      cases(200)
    )
  })
})
