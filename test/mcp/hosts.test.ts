import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { createProfile, openAgent } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import { isRunning } from '#dist/cli/host-process.js'
import { BIN, inProcess, posthorn } from '../cli/posthorn.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'

// What hosts run is taken out of the files that were written for them, and run. The hosts themselves: test/hosts.

/** A project with a profile and a friend who can write to it; `posthorn` and a `codex` that notes how it was called are on the path. */
async function project(relay: string) {
  const root = tempDir()
  const [folder, bin] = [join(root, 'p'), join(root, 'bin')]
  mkdirSync(join(folder, '.git'), { recursive: true })
  mkdirSync(bin)
  const program = (name: string, script: string) =>
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  program('posthorn', `exec '${process.execPath}' '${BIN}' "$@"`)
  program('codex', `printf '%s\\n' "$@" > '${root}/called.tmp'; mv '${root}/called.tmp' '${root}/called'`)
  const env = { HOME: root, PATH: `${bin}:/usr/bin:/bin` }
  const started = await posthorn(['mcp', '--dir', folder, '--relay', relay], { env, input: '' })
  expect(started.code).toBe(0)
  const friend = join(root, '.local/share/posthorn/friend')
  createProfile({ home: friend, relays: [relay] })
  const agent = await openAgent({ home: friend, presence: false, announce: false })
  onTestFinished(async () => void (await agent.close({ timeoutMs: 100 })))
  const to = agent.contacts.list().find(({ name }) => name.startsWith('p-'))?.name ?? ''
  const install = (host: string) => inProcess(['install', '--host', host, '--dir', folder, '--yes'], { env })
  return { root, folder, env, install, send: async () => void (await agent.stored(await agent.send(to, 'xyzzy'))) }
}

/** Several processes one after the other; a busy machine is no failure. */
const BUSY = { timeout: 120_000 }

/** As a host runs a hook. The relay is in this process, so nothing here may block it. */
async function shell(line: string, { input, ...how }: { cwd: string; env: Record<string, string>; input: string }) {
  const child = spawn('/bin/sh', ['-c', line], how)
  child.stdin.end(input)
  const [stdout, stderr, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { status, stdout, stderr }
}

const commandOf = (pid: number): string =>
  spawnSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).stdout

const NOTICE = /^posthorn: 1 new message from other agents\. Call the posthorn tool check_inbox with wake "[0-9a-f]{8}"/

test('Claude Code: the hook of settings.json wakes by exit code 2 and stderr', BUSY, async () => {
  await using relay = await startRelay()
  const { folder, env, install, send } = await project(relay.url)
  await install('claude-code')
  const [{ hooks }] = JSON.parse(readFileSync(join(folder, '.claude/settings.json'), 'utf8')).hooks.Stop
  await send()
  const input = JSON.stringify({ session_id: 's', cwd: folder, hook_event_name: 'Stop', stop_hook_active: false })
  // `claude -p`, and programs that read the same settings, are not held up.
  expect(await shell(hooks[0].command, { cwd: '/', env, input })).toEqual({ status: 0, stdout: '', stderr: '' })
  const ran = await shell(hooks[0].command, { cwd: '/', env: { ...env, CLAUDECODE: '1' }, input })
  expect(ran).toMatchObject({ status: 2, stdout: '', stderr: expect.stringMatching(NOTICE) })
})

test.each([
  ['claude-code', 'SessionStart'],
  ['codex', 'Stop'],
] as const)('%s: what waits ends with a host that is killed', BUSY, async (name, event) => {
  await using relay = await startRelay()
  const { root, folder, env } = await project(relay.url)
  // A host that runs its hook by a shell, as they all do; the shell outlives it.
  const wake = `posthorn wake --host ${name} --wait 1000; true`
  const script = `const { HOOK, INPUT } = process.env
    require('node:child_process').spawn('/bin/sh', ['-c', HOOK]).stdin.end(INPUT)
    setInterval(() => {}, 1000)`
  const input = JSON.stringify({ session_id: `marked-${process.pid}`, cwd: folder, hook_event_name: event })
  const hostEnv = { ...env, CLAUDECODE: '1', HOOK: wake, INPUT: input }
  const host = spawn(process.execPath, ['-e', script], { env: hostEnv, stdio: 'ignore' })
  onTestFinished(() => void host.kill('SIGKILL'))
  const waiters = () => {
    const home = readdirSync(join(root, '.local/share/posthorn')).find(each => each.startsWith('p-')) ?? ''
    const path = join(root, '.local/share/posthorn', home, 'wake-waiters.json')
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '{"waiters":[]}'
    return (JSON.parse(text).waiters as { key: string; pid: number }[]).filter(({ pid }) => isRunning(pid))
  }
  // Codex' hook is over; the one that it left behind has its place.
  await expect
    .poll(() => waiters().filter(({ pid }) => commandOf(pid).includes(name === 'codex' ? '--parent' : '--host')))
    .toHaveLength(1)
  host.kill('SIGKILL')
  await expect.poll(waiters).toEqual([])
})

test('Codex: the hook lets the turn end, and mail that comes later is queued for the thread', BUSY, async () => {
  await using relay = await startRelay()
  const { root, folder, env, install, send } = await project(relay.url)
  await install('codex')
  const config = readFileSync(join(folder, '.codex/config.toml'), 'utf8')
  const [, command = ''] = /^command = "(posthorn wake[^"]*)"/m.exec(config) ?? []
  const run = () => {
    const input = JSON.stringify({ session_id: 'thread-7', cwd: folder, hook_event_name: 'Stop' })
    return shell(command, { cwd: folder, env, input })
  }
  expect(await run()).toMatchObject({ status: 0, stdout: '', stderr: '' })
  await send()
  await expect.poll(() => existsSync(join(root, 'called'))).toBe(true)
  const [queue, flag, thread, message] = readFileSync(join(root, 'called'), 'utf8').split('\n')
  expect([queue, flag, thread]).toEqual(['queue', '--thread', 'thread-7'])
  expect(message?.replace('--message=', '')).toMatch(NOTICE)
  // Mail that is there when the turn ends makes it go on; what was told of is not told again.
  expect(await run()).toMatchObject({ status: 0, stdout: '' })
})

test('opencode: the plugin prompts the session that went idle, and only a main one', BUSY, async () => {
  await using relay = await startRelay()
  const { folder, env, install, send } = await project(relay.url)
  await install('opencode')
  const { PosthornWake } = await import(pathToFileURL(join(folder, '.opencode/plugins/posthorn.js')).href)
  const prompts: { path: { id: string }; body: { parts: { text: string }[] } }[] = []
  const client = {
    session: {
      get: async ({ path }: { path: { id: string } }) => ({ data: path.id === 'child' ? { parentID: 'main' } : {} }),
      promptAsync: async (request: (typeof prompts)[number]) => void prompts.push(request),
    },
  }
  const before = { ...process.env }
  Object.assign(process.env, env)
  onTestFinished(() => void Object.assign(process.env, before))
  const { event } = await PosthornWake({ client, directory: folder })
  await event({ event: { type: 'session.idle', properties: { sessionID: 'child' } } })
  await event({ event: { type: 'session.idle', properties: { sessionID: 'main' } } })
  onTestFinished(() => event({ event: { type: 'session.deleted', properties: { info: { id: 'main' } } } }))
  await send()
  await expect.poll(() => prompts.length).toBe(1)
  expect(prompts[0]).toMatchObject({
    path: { id: 'main' },
    body: { parts: [{ type: 'text', text: expect.stringMatching(NOTICE) }] },
  })
})
