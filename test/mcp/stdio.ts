import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { onTestFinished } from 'vitest'
import { BIN } from '../cli/posthorn.ts'
import { type AnyClient, answerOf } from './posts.ts'

/** `posthorn mcp` as a process, and the official client on it: the way a host runs it. */
export async function mcpProcess(
  env: Record<string, string>,
  args: readonly string[],
): Promise<AnyClient & { readonly client: Client }> {
  const client = new Client({ name: 'host', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: [BIN, 'mcp', ...args], env, stderr: 'ignore' }),
  )
  onTestFinished(() => client.close())
  return { client, call: async (name, input = {}) => answerOf(await client.callTool({ name, arguments: input })) }
}
