/**
 * The callers that one names: those whose word is taken.
 */
import type { HttpServerRequest } from "@effect/platform"
import { InvalidOptions } from "@effect-resilience/core"
import { Either, Option } from "effect"
import * as AddressRange from "../AddressRange.js"

/** Addresses and ranges of them, or what tells of a request whether its caller is one. */
export type Trusted = ReadonlyArray<string> | ((request: HttpServerRequest.HttpServerRequest) => boolean)

const rangeOf = (text: string): InvalidOptions.Checked<AddressRange.Range> =>
  Either.fromOption(AddressRange.range(text), () => [
    { option: "trusted", value: JSON.stringify(text), allowed: 'an address, or a range such as "10.0.0.0/8"' }
  ])

/** Whether an address is in one of these ranges. */
export const inRanges = (trusted: ReadonlyArray<string>): InvalidOptions.Checked<AddressRange.Range> =>
  InvalidOptions.map(
    InvalidOptions.all(trusted.map(rangeOf)),
    (ranges) => (address) => ranges.some((isIn) => isIn(address))
  )

/** Whether the caller of a request is one of these; default nobody. Throws `InvalidOptions` if what is trusted is no address. */
export const believed = (
  policy: string,
  trusted: Trusted = []
): ((request: HttpServerRequest.HttpServerRequest) => boolean) => {
  if (typeof trusted === "function") return trusted
  const isIn = Either.getOrThrowWith(
    inRanges(trusted),
    (problems) => new InvalidOptions.InvalidOptions({ policy, problems })
  )
  return ({ remoteAddress }) => Option.exists(remoteAddress, isIn)
}
