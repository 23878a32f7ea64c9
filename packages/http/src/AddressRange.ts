/**
 * Addresses of callers: one, or a range of them as CIDR writes it (`10.0.0.0/8`, `fd00::/8`). An IPv4 address that IPv6
 * wraps is the same as the address itself. Names and zones are no addresses here.
 */
import { Option } from "effect"

/** An address as a number of so many bits. */
interface Address {
  readonly bits: 32 | 128
  readonly value: bigint
}

const joined = (parts: ReadonlyArray<number>, width: bigint): bigint =>
  parts.reduce((value, part) => (value << width) | BigInt(part), 0n)

const v4 = (text: string): ReadonlyArray<number> | undefined => {
  const parts = text.split(".")
  const isFine = parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)
  return isFine ? parts.map(Number) : undefined
}

/** The groups of a part of an IPv6 address, the last of which may be written as an IPv4 address. */
const groups = (text: string): ReadonlyArray<number> | undefined => {
  if (text === "") return []
  const parts = text.split(":")
  const tail = v4(parts[parts.length - 1] ?? "")
  const plain = tail === undefined ? parts : parts.slice(0, -1)
  if (!plain.every((part) => /^[\da-f]{1,4}$/i.test(part))) return undefined
  const [a = 0, b = 0, c = 0, d = 0] = tail ?? []
  const last = tail === undefined ? [] : [a * 256 + b, c * 256 + d]
  return [...plain.map((part) => Number.parseInt(part, 16)), ...last]
}

const v6 = (text: string): ReadonlyArray<number> | undefined => {
  const halves = text.split("::")
  const [head, tail] = [groups(halves[0] ?? ""), groups(halves[1] ?? "")]
  if (halves.length > 2 || head === undefined || tail === undefined) return undefined
  const left = 8 - head.length - tail.length
  if (halves.length === 1 ? left !== 0 : left < 1) return undefined
  return [...head, ...Array.from({ length: left }, () => 0), ...tail]
}

const parse = (text: string): Option.Option<Address> => {
  const four = v4(text)
  if (four !== undefined) return Option.some({ bits: 32, value: joined(four, 8n) })
  const six = text.includes(":") ? v6(text) : undefined
  if (six === undefined) return Option.none()
  const value = joined(six, 16n)
  return Option.some(value >> 32n === 0xffffn ? { bits: 32, value: value & 0xffffffffn } : { bits: 128, value })
}

/** Whether an address is in a range. */
export type Range = (address: string) => boolean

/** A range as CIDR writes it, or one address; none if the text is neither. */
export const range = (text: string): Option.Option<Range> => {
  const [start = "", length, more] = text.split("/")
  return Option.flatMap(parse(start), ({ bits, value }) => {
    const isLength = length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits)
    if (!isLength || more !== undefined) return Option.none()
    const ignored = BigInt(bits - Number(length ?? bits))
    return Option.some((address: string) =>
      Option.exists(parse(address), (of) => of.bits === bits && of.value >> ignored === value >> ignored)
    )
  })
}

/** The groups of an IPv6 address, as it is written in full. */
const written = (value: bigint): string =>
  Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16)).join(":")

/** The address in the one way to write it, an IPv6 one without what is beyond so many bits; none if it is none. */
export const network = (text: string, ipv6Bits: number): Option.Option<string> =>
  Option.map(parse(text), ({ bits, value }) => {
    if (bits === 32) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".")
    const host = BigInt(128 - ipv6Bits)
    return written((value >> host) << host)
  })
