import { constants, createDeflateRaw } from 'node:zlib'

/**
 * Bytes that messages (texts or buffers, in order) take as permessage-deflate with context takeover sends them (RFC 7692: the four bytes
 * that end each flush are left out), one figure a message.
 */
export async function deflated(messages) {
  const deflate = createDeflateRaw()
  let bytes = 0
  deflate.on('data', chunk => {
    bytes += chunk.length
  })
  const sizes = []
  for (const message of messages) {
    const before = bytes
    deflate.write(message)
    await new Promise(resolve => deflate.flush(constants.Z_SYNC_FLUSH, resolve))
    sizes.push(bytes - before - 4)
  }
  deflate.destroy()
  return sizes
}

/** A server's frame around a message, bytes. */
export const framed = length => length + (length < 126 ? 2 : length < 65_536 ? 4 : 10)

export const mean = values => Math.round(values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length))
