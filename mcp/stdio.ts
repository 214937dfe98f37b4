import type { Transport } from '@modelcontextprotocol/server'
import { type StdioServerHandle, serveStdio } from '@modelcontextprotocol/server/stdio'
import type { Post } from './post.ts'
import { createMcpServer } from './server.ts'

/** Serves one connection, of whichever revision its client speaks. */
export const serveMcp = (
  post: Post,
  transport: Transport,
  onError: (error: Error) => void = () => {},
): StdioServerHandle =>
  serveStdio(({ era }) => createMcpServer(post, { era, notify: true }), { transport, onerror: onError })
