/** The MCP server over the SDK: tools, resources and a prompt for coding agents. @module */

export { isLoopbackHost, type McpHttp, type McpHttpOptions, serveMcpHttp } from './http.ts'
export { agentMailbox, type Mailbox } from './mailbox.ts'
export type { Post, Self, ToolProfile } from './post.ts'
export { createMcpServer } from './server.ts'
export { serveMcp } from './stdio.ts'
export { type Notice, type WakePath, type WakeState, type WakeStatus, wakePathOn } from './wake-path.ts'
