/** Whether a text is a well-formed XML document: tags that match, attributes in quotes and once each, no stray signs. */

const token = /<(\/?)([A-Za-z][\w:.-]*)((?:\s+[\w:.-]+="[^"<]*")*)\s*(\/?)>|([^<]+)|(<)/gy
const entity = /&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[\da-f]+);)/i
const forbidden = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u

/** What is wrong with the document, if anything is. */
export const xmlProblem = (xml: string): string | undefined => {
  const open: Array<string> = []
  let roots = 0
  if (forbidden.test(xml)) return "a sign that XML does not know"
  if (entity.test(xml)) return "an & that begins no entity"
  for (const [all, end, name = "", attributes = "", empty, text, stray] of xml.matchAll(token)) {
    if (stray !== undefined) return `a stray <`
    if (text !== undefined) {
      if (open.length === 0 && text.trim() !== "") return `text outside: ${text}`
      if (text.includes("]]>")) return "]]> in text"
      continue
    }
    const names = [...attributes.matchAll(/([\w:.-]+)=/g)].map(([, attribute]) => attribute)
    if (new Set(names).size < names.length) return `an attribute twice: ${all}`
    if (end === "/") {
      if (open.pop() !== name) return `an end of ${name} that has no beginning`
    } else {
      if (open.length === 0) roots++
      if (empty !== "/") open.push(name)
    }
  }
  if (open.length > 0) return `no end of ${open.join(", ")}`
  return roots === 1 ? undefined : `${roots} roots`
}
