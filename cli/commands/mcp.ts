import { StdioServerTransport } from '@modelcontextprotocol/server/stdio'
import type { Mailbox as McpMailbox } from '../../mcp/index.ts'
import { isLoopbackHost, type Post, serveMcp, serveMcpHttp, type ToolProfile, wakePathOn } from '../../mcp/index.ts'
import { systemRandom } from '../../platform/random.ts'
import { fileShelf } from '../../sdk/home/file-shelf.ts'
import { npubOf, openLookout, presenceBeside, readProfile, stateBeside } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { factsOf } from '../health.ts'
import { agentHostNamed } from '../install/agent-hosts.ts'
import { type Mailbox, openMailbox } from '../mailbox.ts'
import { passphraseOf, readSecretFile } from '../passphrase.ts'
import { givenRelays } from '../profile.ts'
import { agentHome, openAgentProfile } from '../project-profile.ts'
import { version } from '../version.ts'

/** `posthorn mcp`: mail as MCP tools, for as long as the client or the signal lets it. */
export const mcp: Command<'mcp'> = async context => {
  const { options, env, timers, clock } = context
  const profile = toolProfile(options.profile)
  const http = options.http === undefined ? undefined : httpAddress(options.http, options['token-file'])
  const host = options.host === undefined ? undefined : agentHostNamed(options.host)
  const relays = givenRelays(options.relay)
  const self = openAgentProfile(agentHome(options, env, process.cwd()), relays, env)
  const { home } = self
  const mailbox = await openMailbox({ home, relays, timers, presence: true, passphrase: passphraseOf(context) })
  try {
    const wakePath = wakePathOn(fileShelf(home))
    if (host !== undefined) wakePath.expect(host.name)
    const post: Post = {
      mailbox: forTools(mailbox, home),
      self: {
        name: self.name,
        pubkey: self.pubkey,
        npub: npubOf(self.pubkey),
        relays: relays ?? self.relays,
        discovery: self.discovery ?? [],
      },
      profile,
      openLookout: () =>
        openLookout({ relays: relays ?? self.relays, discovery: self.discovery, contacts: mailbox.contacts.list() }),
      wakePath,
      clock,
      timers,
      random: systemRandom,
      version: version(),
    }
    await (http === undefined ? overStdio(post, context) : overHttp(post, http, context))
    return EXIT.ok
  } finally {
    await mailbox.close()
  }
}

function toolProfile(text: string): ToolProfile {
  if (text === 'base' || text === 'full') return text
  throw new UsageError(`--profile is base or full, got ${JSON.stringify(text)}`)
}

/** Until the client closes stdin: stdout belongs to the protocol, all talk goes to stderr. */
async function overStdio(post: Post, { stdin, stdout, stdinIsTerminal, signal, out }: Context<'mcp'>): Promise<void> {
  const gone = new Promise<void>(resolve => {
    for (const event of ['end', 'close'] as const) stdin.once(event, resolve)
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted) resolve()
  })
  const handle = serveMcp(post, new StdioServerTransport(stdin, stdout), error => out.say(`mcp: ${error.message}`))
  // Hosts show what a server writes to stderr as an error; only a person at a terminal is greeted.
  if (stdinIsTerminal) out.say(`serving ${post.self.name} (${post.self.npub}) as MCP server on stdin and stdout`)
  await gone
  await handle.close()
}

interface HttpAddress {
  readonly host: string
  readonly port: number
  readonly token: string | undefined
}

async function overHttp(post: Post, { host, port, token }: HttpAddress, { options, out, signal }: Context<'mcp'>) {
  const server = await serveMcpHttp(post, { host, port, token, names: options['allow-host'] })
  out.result(server.url, { listening: server.url })
  out.say(`serving ${post.self.name} (${post.self.npub}); Ctrl-C ends`)
  await new Promise<void>(resolve => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted) resolve()
  })
  await server.close()
}

function httpAddress(text: string, tokenFile: string | undefined): HttpAddress {
  const [, given, digits = ''] = /^(?:(.+):)?(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (digits === '' || port > 65_535) throw new UsageError(`--http is [HOST:]PORT, got ${JSON.stringify(text)}`)
  const host = given?.replace(/^\[(.*)\]$/, '$1') ?? '127.0.0.1'
  const token = tokenFile === undefined ? undefined : readToken(tokenFile)
  if (token === undefined && !isLoopbackHost(host))
    throw new UsageError(
      `${host} is reached by other machines, so clients must show a token`,
      'write one into a file of yours alone and name it with --token-file',
    )
  return { host, port, token }
}

const MIN_TOKEN = 16

function readToken(path: string): string {
  const token = readSecretFile(path, 'the token').trim()
  if (token.length < MIN_TOKEN || /\s/.test(token))
    throw new UsageError(
      `${path} is to hold one token of at least ${MIN_TOKEN} characters`,
      'try: openssl rand -hex 32',
    )
  return token
}

/** What tools may do with the mailbox of a verb. Who holds the home may change while they run. */
const forTools = (mailbox: Mailbox, home: string): McpMailbox => ({
  get agent() {
    return mailbox.agent
  },
  inbox: query => mailbox.inbox(query),
  read: id => mailbox.read(id),
  send: (to, text, options) => mailbox.send(to, text, options),
  delivery: id => mailbox.delivery(id),
  sent: id => mailbox.sent(id),
  mark: (id, mark, reason) => mailbox.mark(id, mark, reason),
  async setPresence(status) {
    if (mailbox.agent) return mailbox.agent.presence.set(status)
    presenceBeside(home, status)
    return undefined
  },
  counts: () => mailbox.counts(),
  facts: () => factsOf(mailbox, readProfile(home), true),
  stateBeside: () => stateBeside(home),
  get contacts() {
    return mailbox.contacts
  },
})
