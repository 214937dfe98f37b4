import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Metrics } from './prometheus.ts'

export interface MetricsServer {
  /** http://host:port/metrics as bound. */
  readonly url: string
  close(): Promise<void>
}

/**
 * `/metrics` on a port of its own, so that what only an operator should see never stands where strangers connect.
 * Rejects with the system's error if the port cannot be bound.
 */
export async function listenMetrics(
  metrics: Metrics,
  { host, port }: { readonly host: string; readonly port: number },
  onError: (where: string, error: unknown) => void,
): Promise<MetricsServer> {
  const server = createServer({ headersTimeout: 5_000, requestTimeout: 5_000 }, (request, response) => {
    request.resume()
    const path = request.url?.split('?', 1)[0]
    if (path !== '/metrics' || (request.method !== 'GET' && request.method !== 'HEAD')) {
      response.writeHead(path === '/metrics' ? 405 : 404, { 'content-type': 'text/plain' }).end('GET /metrics\n')
      return
    }
    metrics.text().then(
      text => response.writeHead(200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' }).end(text),
      error => {
        onError('metrics', error)
        response.writeHead(500).end()
      },
    )
  })
  server.maxConnections = 50
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => resolve())
  })
  const { port: bound } = server.address() as AddressInfo
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}/metrics`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
