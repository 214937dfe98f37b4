import type { McpServer, ToolAnnotations } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { own } from '../protocol/json.ts'
import { escapeText } from '../protocol/visible.ts'
import { createFence, type Fence } from './fence.ts'
import type { Post } from './post.ts'
import { ToolError } from './tool-error.ts'

/** One call of a tool. */
export interface Call {
  readonly post: Post
  readonly fence: Fence
  /** Aborted when the client gives up, or is gone. */
  readonly signal: AbortSignal
}

export interface ToolSpec<In extends z.ZodObject, Out extends z.ZodObject> {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly input: In
  readonly output: Out
  readonly annotations: ToolAnnotations
  run(args: z.output<In>, call: Call): Promise<z.output<Out>> | z.output<Out>
}

/** Puts a tool on a server. */
export type Tool = (server: McpServer, post: Post) => void

/** What every result ends with. */
const COMMON = {
  inbox: z.object({
    unread: z.number().int().describe('messages not read yet'),
    unknown_senders: z.number().int().describe('strangers among their senders; only the operator can let them in'),
  }),
  data_nonce: z.string().optional().describe('only marks with this nonce open and close words of other agents'),
}

export const defineTool =
  <In extends z.ZodObject, Out extends z.ZodObject>(spec: ToolSpec<In, Out>): Tool =>
  (server, post) => {
    const { name, title, description, input, output, annotations } = spec
    // Of some shape: which one is known to `spec.run` alone, and the arguments were parsed by it.
    const inputSchema: z.ZodObject = input
    server.registerTool(
      name,
      { title, description, inputSchema, outputSchema: output.extend(COMMON), annotations, _meta: META },
      async (args, ctx) => {
        const fence = createFence(post.random)
        try {
          const result = await spec.run(args as z.output<In>, { post, fence, signal: ctx.mcpReq.signal })
          const { unread, unknownSenders } = post.mailbox.counts()
          const structuredContent = {
            ...result,
            inbox: { unread, unknown_senders: unknownSenders },
            ...(fence.isUsed ? { data_nonce: fence.nonce } : {}),
          }
          return {
            content: [{ type: 'text', text: JSON.stringify(structuredContent, undefined, 1) }],
            structuredContent,
          }
        } catch (error) {
          return { isError: true, content: [{ type: 'text', text: whatToDo(error) }] }
        }
      },
    )
  }

/**
 * Claude Code hides tools behind a search unless they say this. They are few, and meant for the start of a session. `alwaysLoad` of its
 * configuration does the same, but holds up a session with streamed input for as long as a SessionStart hook waits (2.1.332).
 */
const META = { 'anthropic/alwaysLoad': true }

/** Errors of the SDK whose message is about what the caller gave, and says what to do. */
const CALLERS_FAULT: readonly unknown[] = ['ambiguous-id', 'message-malformed', 'profile-name', 'message-unknown']
const ADVICE: Readonly<Record<string, string>> = {
  'unknown-recipient':
    'There is no such agent among the contacts. Call list_contacts; only the operator can add contacts.',
  'message-too-large': 'The message is too large. Send a shorter one, or say where the data can be found.',
  'agent-closed': 'The mail server is shutting down. Try again in a moment.',
  'peer-paused': 'This agent failed several times in a row and is left alone for a minute. Try again later.',
  hops: 'This conversation has been handed on too often. Answer instead of handing it on.',
}

function whatToDo(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unexpected'
  if (error instanceof ToolError || (error instanceof Error && CALLERS_FAULT.includes(code)))
    return `${code}: ${escapeText(error.message)}`
  if (error instanceof RangeError) return `out-of-range: ${escapeText(error.message)}`
  // What else is said may quote others; the operator finds it with `posthorn doctor`.
  return `${code}: ${own(ADVICE, code) ?? 'This did not work, and trying the same again will not help. Tell the operator to run: posthorn doctor'}`
}

/** For tools that look and change nothing. */
export const LOOKS = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false } as const
/** For tools that tell others something. */
export const TELLS = {
  readOnlyHint: false,
  destructiveHint: false,
  idempotentHint: false,
  openWorldHint: true,
} as const
