import { request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import { isPublicHost } from './address-class.ts'
import { routeTo } from './proxy.ts'
import { publicLookup } from './public-lookup.ts'
import { systemTimers } from './timers.ts'
import type { WebAnswer, WebGet } from './web-get.ts'

/** For Node: certificates are checked by the system's rules; a connection of its own, made to the very address that was checked. */
export const getNode: WebGet = (url, { publicOnly, maxBytes, timeoutMs, accept = 'application/json' }) =>
  new Promise<WebAnswer>((resolve, reject) => {
    const { hostname, protocol } = new URL(url)
    // Literal addresses are never looked up, so they are checked here.
    if (publicOnly && !isPublicHost(hostname)) throw new Error(`${hostname} is not on the public internet`)
    const { agent = false } = routeTo(url, publicOnly)
    const request = (protocol === 'https:' ? requestTls : requestPlain)(url, {
      // A connection that others of this process opened was not checked.
      agent,
      headers: { accept, 'accept-encoding': 'identity' },
      ...(publicOnly && !agent ? { lookup: publicLookup } : {}),
    })
    const cancel = systemTimers.after(timeoutMs, () => request.destroy(new Error('no answer in time')))
    const fail = (error: Error) => {
      cancel()
      request.destroy()
      reject(error)
    }
    request.on('error', fail)
    request.on('response', response => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('error', fail)
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > maxBytes) fail(new Error(`the answer is longer than ${maxBytes} bytes`))
        else chunks.push(chunk)
      })
      response.on('end', () => {
        cancel()
        const { date } = response.headers
        const text = Buffer.concat(chunks).toString('utf8')
        resolve({ status: response.statusCode ?? 0, text, ...(date === undefined ? {} : { date }) })
      })
      response.on('close', () => fail(new Error('the answer broke off')))
    })
    request.end()
  })
