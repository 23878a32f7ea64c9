/**
 * A local server in a process of its own, so that what is measured is the client. It answers at once, and says how long
 * its body is except on `/chunked`; on `/flaky` every other time.
 */
import { createServer } from "node:http"

let asked = 0
const server = createServer((request, response) => {
  const busy = request.url === "/flaky" && asked++ % 2 === 0
  const length = request.url === "/chunked" ? {} : { "content-length": "11" }
  response.writeHead(busy ? 503 : 200, { "content-type": "application/json", ...length })
  response.end('{"ok":true}')
})
server.keepAliveTimeout = 60_000
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  if (address !== null && typeof address === "object") process.send?.(address.port)
})
process.once("disconnect", () => process.exit())
