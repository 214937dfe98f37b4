import { WAKE_MARK } from './shell.ts'

export const OPENCODE_MARK =
  '// Added by "posthorn install --host opencode", removed by "posthorn install --host opencode --uninstall".'

const WAIT_S = 3_500

/** The plugin's file. It is self-contained: opencode loads it by itself, and posthorn may not be among its packages. */
export const opencodePlugin = (command: readonly string[]): string => {
  const [program = '', ...args] = [...command, ...WAKE_MARK, 'opencode', '--wait', String(WAIT_S)]
  return `${OPENCODE_MARK}
// Waits for mail while a session is idle, and prompts that session with a pointer to it: never with words of others.
import { spawn } from 'node:child_process'

const PROGRAM = ${JSON.stringify(program)}
const ARGS = ${JSON.stringify(args)}

export const PosthornWake = async ({ client, directory }) => {
  let waiting

  const stop = () => {
    waiting?.kill()
    waiting = undefined
  }

  const isMain = async id => {
    const { data } = await client.session.get({ path: { id } })
    return data !== undefined && data.parentID === undefined
  }

  const prompt = async (id, text) => {
    const request = { path: { id }, body: { parts: [{ type: 'text', text }] } }
    await (client.session.promptAsync ? client.session.promptAsync(request) : client.session.prompt(request))
  }

  const wait = id => {
    stop()
    const child = spawn(PROGRAM, ARGS, { cwd: directory, stdio: ['ignore', 'pipe', 'ignore'] })
    waiting = child
    let said = ''
    child.stdout.on('data', chunk => {
      said += chunk
    })
    child.on('error', () => {})
    child.on('close', () => {
      if (waiting !== child) return
      waiting = undefined
      const notice = said.trim()
      if (notice !== '') prompt(id, notice).catch(() => {})
    })
  }

  process.on('exit', stop)

  return {
    event: async ({ event }) => {
      const id = event.properties?.sessionID
      if (event.type === 'session.idle' && id && (await isMain(id))) wait(id)
      if (event.type === 'session.deleted') stop()
    },
  }
}
`
}
