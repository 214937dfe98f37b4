import { isPublicHost } from './address-class.ts'
import { systemTimers } from './timers.ts'
import type { WebGet } from './web-get.ts'

/** For pages and workers. What a name resolves to cannot be seen there; a redirect is a failure without a reason. */
export const getBrowser: WebGet = async (url, { publicOnly, maxBytes, timeoutMs }) => {
  const { hostname } = new URL(url)
  if (publicOnly && !isPublicHost(hostname)) throw new Error(`${hostname} is not on the public internet`)
  const over = new AbortController()
  const cancel = systemTimers.after(timeoutMs, () => over.abort(new Error('no answer in time')))
  try {
    const response = await fetch(url, {
      redirect: 'error',
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      signal: over.signal,
    })
    const reader = response.body?.getReader()
    const decoder = new TextDecoder()
    let text = ''
    for (let bytes = 0; reader !== undefined; ) {
      const { done, value } = await reader.read()
      if (done) break
      bytes += value.length
      if (bytes > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`)
      text += decoder.decode(value, { stream: true })
    }
    return { status: response.status, text: text + decoder.decode() }
  } finally {
    over.abort()
    cancel()
  }
}
