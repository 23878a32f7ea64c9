/** Elements of SVG and HTML as text, with everything that is put into them escaped. */

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

/** What XML cannot carry at all is dropped, so that a picture stays well-formed whatever a message contains. */
export const escape = (text: string): string =>
  text.replace(/(?![\t\n\r])\p{Cc}|[\ufffe\uffff]/gu, "").replace(/[&<>"']/g, (char) => entities[char] ?? "")

/** Markup that is safe to put into other markup as it is. */
export interface Markup {
  readonly markup: string
}

export type Attributes = Readonly<Record<string, string | number>>

const round = (value: number): number => Math.round(value * 10) / 10

const attributesOf = (attributes: Attributes): string =>
  Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${escape(typeof value === "number" ? String(round(value)) : value)}"`)
    .join("")

/** An element. A child that is a string is text and gets escaped. */
export const element = (
  name: string,
  attributes: Attributes,
  ...children: ReadonlyArray<Markup | string | ReadonlyArray<Markup>>
): Markup => {
  const inner = children
    .flatMap((child) => (typeof child === "string" ? [{ markup: escape(child) }] : "markup" in child ? [child] : child))
    .map(({ markup }) => markup)
    .join("")
  return {
    markup:
      inner === "" ? `<${name}${attributesOf(attributes)}/>` : `<${name}${attributesOf(attributes)}>${inner}</${name}>`
  }
}

/** A style sheet of our own, which must not contain what would end it or need escaping. */
export const style = (css: string): Markup => ({ markup: `<style>${css.replace(/[<&]/g, "")}</style>` })
