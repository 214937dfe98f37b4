import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Reply } from './reply.ts'
import type { Handler } from './request.ts'

/** What a person sees who asks for the relay without a browser. */
export const pageText = (name: string): string => `${name}: a posthorn relay

Connect with a WebSocket, or over HTTP:

  GET  /        with "Accept: application/nostr+json": about this relay (NIP-11)
  POST /        with "Content-Type: application/nostr+json+rpc": management by its owners (NIP-86)
  POST /event   one signed event as JSON
  GET  /healthz and /readyz : whether it lives, and takes mail
  GET  /stats   connections, subscriptions, log position, rate
  GET  /sync    ?since_seq=0&epoch=&wait=0&filter={} : one page of the log
`

const HTML = 'text/html; charset=utf-8'
const CSS = 'text/css; charset=utf-8'
const SCRIPT = 'text/javascript; charset=utf-8'

/** Modules run as compiled; the rest is published beside their source. */
const SOURCES = new URL('../../../relay/page/', import.meta.url)
const COMPILED = new URL('../../', import.meta.url)
const INDEX = { file: new URL('index.html', SOURCES), type: HTML }
const script = (path: string) => ({ file: new URL(path, COMPILED), type: SCRIPT })
/** The page's files by path; their imports are relative, so the folders are those of the package. */
export const ASSETS: Readonly<Record<string, { readonly file: URL; readonly type: string }>> = {
  '/page/style.css': { file: new URL('style.css', SOURCES), type: CSS },
  ...Object.fromEntries(
    ['about', 'agents', 'dom', 'events', 'main', 'numbers', 'owner', 'socket'].map(name => [
      `/page/${name}.js`,
      script(`relay/page/${name}.js`),
    ]),
  ),
  ...Object.fromEntries(
    ['clock', 'on-abort', 'timers', 'web-hash'].map(name => [`/platform/${name}.js`, script(`platform/${name}.js`)]),
  ),
  '/protocol/visible.js': script('protocol/visible.js'),
}

/** Its own scripts and styles, its own relay, and nothing else: no inline code, no frames, no forms. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const HEADERS = {
  'content-security-policy': POLICY,
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  // Asked for again each time, answered with 304: an upgraded relay never runs beside its old page.
  'cache-control': 'no-cache',
}

const loaded = new Map<string, Promise<{ readonly body: string; readonly tag: string }>>()

async function load(file: URL): Promise<{ readonly body: string; readonly tag: string }> {
  const body = await readFile(file, 'utf8')
  return { body, tag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` }
}

/** Answers with a file of the page, or that the visitor has it. */
const serve =
  ({ file, type }: { readonly file: URL; readonly type: string }): Handler =>
  async ({ headers }): Promise<Reply> => {
    const asset = loaded.get(file.href) ?? load(file)
    loaded.set(file.href, asset)
    const { body, tag } = await asset
    const vary = type === HTML ? { vary: 'accept' } : {}
    if (headers['if-none-match'] === tag)
      return { status: 304, type, body: '', headers: { ...HEADERS, ...vary, etag: tag } }
    return { status: 200, type, body, headers: { ...HEADERS, ...vary, etag: tag } }
  }

export const servePage: Handler = serve(INDEX)
export const assetRoutes = (): [path: string, handle: Handler][] =>
  Object.entries(ASSETS).map(([path, asset]) => [path, serve(asset)])
