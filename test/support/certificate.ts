/** A key and a certificate that nobody trusts, signed with the key itself. */
import { generateKeyPairSync, sign } from "node:crypto"

const der = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const content = Buffer.concat(parts)
  const { length } = content
  const header = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255]
  return Buffer.concat([Buffer.from([tag, ...header]), content])
}

const sequence = (...parts: ReadonlyArray<Uint8Array>) => der(0x30, ...parts)
const oid = (...bytes: ReadonlyArray<number>) => der(0x06, Buffer.from(bytes))
const text = (tag: number, value: string) => der(tag, Buffer.from(value))

const ecdsaWithSha256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))
const commonName = sequence(der(0x31, sequence(oid(0x55, 0x04, 0x03), text(0x0c, "localhost"))))
const validity = sequence(text(0x17, "200101000000Z"), text(0x17, "491231235959Z"))

const pem = (kind: string, bytes: Buffer) =>
  `-----BEGIN ${kind}-----\n${bytes.toString("base64").replaceAll(/.{64}/g, "$&\n")}\n-----END ${kind}-----\n`

export const selfSigned = (): { readonly key: string; readonly cert: string } => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const spki = publicKey.export({ type: "spki", format: "der" })
  const serial = der(0x02, Buffer.from([1]))
  const toSign = sequence(serial, ecdsaWithSha256, commonName, validity, commonName, spki)
  const signature = der(0x03, Buffer.from([0]), sign("sha256", toSign, privateKey))
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: pem("CERTIFICATE", sequence(toSign, ecdsaWithSha256, signature))
  }
}
