import { WAIT_S, WAKE_MARK } from './shell.ts'

export const OPENCODE_MARK =
  '// Added by "posthorn install --host opencode", removed by "posthorn install --host opencode --uninstall".'

/** The plugin's file. It is self-contained: opencode loads it by itself, and posthorn may not be among its packages. */
export const opencodePlugin = (command: readonly string[]): string => {
  const [program = '', ...args] = [...command, ...WAKE_MARK, 'opencode', '--wait', String(WAIT_S)]
  return `${OPENCODE_MARK}
// Waits for mail while a session is idle, and prompts that session with a pointer to it: never with words of others.
import { spawn } from 'node:child_process'

const PROGRAM = ${JSON.stringify(program)}
const ARGS = ${JSON.stringify(args)}
const AGAIN_MS = 60_000

export const PosthornWake = async ({ client, directory }) => {
  // "opencode run" answers one prompt and ends.
  if (process.argv.slice(2).includes('run')) return {}

  // Main sessions that are there, the one that was idle last at the end: it is the one that is woken.
  const sessions = []
  let waiting
  let again

  const stop = () => {
    clearTimeout(again)
    waiting?.kill()
    waiting = undefined
  }

  const forget = id => {
    const at = sessions.indexOf(id)
    if (at >= 0) sessions.splice(at, 1)
  }

  const isMain = async id => {
    const { data } = await client.session.get({ path: { id } })
    return data !== undefined && !data.parentID
  }

  const prompt = async (id, text) => {
    const request = { path: { id }, body: { parts: [{ type: 'text', text }] } }
    await (client.session.promptAsync ? client.session.promptAsync(request) : client.session.prompt(request))
  }

  const wait = () => {
    stop()
    const id = sessions.at(-1)
    if (id === undefined) return
    const child = spawn(PROGRAM, [...ARGS, '--thread', id], { cwd: directory, stdio: ['ignore', 'pipe', 'ignore'] })
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
      // The end of the turn that it starts has us wait again; without one we go on by ourselves.
      again = setTimeout(() => waiting ?? wait(), AGAIN_MS)
      again.unref?.()
    })
  }

  const waitFor = id => {
    forget(id)
    sessions.push(id)
    wait()
  }

  process.on('exit', stop)

  return {
    event: async ({ event: { type, properties = {} } }) => {
      const id = properties.sessionID ?? properties.info?.id
      if (!id) return
      if (type === 'session.created' && !properties.info?.parentID) waitFor(id)
      if (type === 'session.idle' && (await isMain(id))) waitFor(id)
      if (type === 'session.deleted') {
        const wasLast = sessions.at(-1) === id
        forget(id)
        if (wasLast) wait()
      }
    },
  }
}
`
}
