import type { PerMessageDeflateOptions } from 'ws'

/** Base-2 logarithm of the window that is compressed within: 2 KiB. */
export const WINDOW_BITS = 11

/** Messages below this gain nothing, bytes. */
export const DEFLATED_FROM = 128

/**
 * permessage-deflate (RFC 7692) as a relay speaks it that was told to. What it sends keeps its context: of an event that looks like
 * the last ones only ids and signature are new. A window of 2 KiB and small tables keep what that takes for each connection
 * that negotiates it below a tenth of zlib's defaults. What comes in keeps none, so that a silent client holds no memory; how large it
 * becomes is bounded by the frame limit.
 */
export const DEFLATE: PerMessageDeflateOptions = Object.freeze({
  serverMaxWindowBits: WINDOW_BITS,
  clientNoContextTakeover: true,
  zlibDeflateOptions: { memLevel: 4, chunkSize: 4_096 },
  zlibInflateOptions: { chunkSize: 16_384 },
})
