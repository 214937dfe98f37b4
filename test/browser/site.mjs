// A site on localhost, which browsers take for a secure origin.

import { once } from 'node:events'
import { createServer } from 'node:http'

/** Serves `files` (path → { type, body }); a page says nothing but what its test makes of it. */
export async function serve(files) {
  const server = createServer((request, response) => {
    const file = files[new URL(request.url, 'http://localhost').pathname]
    response.writeHead(file ? 200 : 404, { 'content-type': file?.type ?? 'text/plain' }).end(file?.body ?? 'not here')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://localhost:${server.address().port}`,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
