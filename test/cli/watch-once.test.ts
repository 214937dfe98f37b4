import { expect, onTestFinished, test } from 'vitest'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { inProcess, json, jsonLines, messagesOf } from './posthorn.ts'

test('watch --once drains: every message has its command and its receipt; other acts are left', async () => {
  const relay = await startRelay()
  onTestFinished(() => relay[Symbol.asyncDispose]())
  const env = { XDG_DATA_HOME: tempDir() }
  const run = (...args: string[]) => inProcess(args, { env })
  for (const name of ['ann', 'ben']) await run('init', '--as', name, '--relay', relay.url)
  const ids: string[] = []
  for (const [act, text] of [
    ['request', 'one'],
    ['request', 'two'],
    ['request', 'again'],
    ['dance', 'left'],
  ] as const)
    ids.push(String(json(await run('send', 'ben', text, '--act', act, '--as', 'ann', '--json'))['id']))
  // The third is tried twice.
  const mark = `${env.XDG_DATA_HOME}/tried`
  const exec = `read -r text; [ "$text" != again ] || [ -e ${mark} ] || { touch ${mark}; exit 1; }; sleep 0.1; echo "did $text"`
  const watched = await run('watch', '--as', 'ben', '--once', '--act', 'request', '--exec', exec, '--json')
  expect(watched.code).toBe(0)
  expect(
    jsonLines(watched)
      .map(({ outcome }) => outcome)
      .sort(),
  ).toEqual(['again', 'done', 'done', 'done'])
  await run('catchup', '--as', 'ann')
  const states = await Promise.all(
    ids.map(async id => json(await run('receipts', id, '--as', 'ann', '--json'))['state']),
  )
  expect(states).toEqual(['done', 'done', 'done', 'received'])
  expect((await run('watch', '--as', 'ben', '--once', '--act', 'request', '--exec', exec)).code).toBe(3)
})

test.each(['nosuchcmd-at-all', '/etc/passwd', 'exec nosuchcmd-at-all'])(
  'a command that cannot be run (%s) leaves the mail as it was, unread, and is named',
  async exec => {
    const relay = await startRelay()
    onTestFinished(() => relay[Symbol.asyncDispose]())
    const env = { XDG_DATA_HOME: tempDir() }
    const run = (...args: string[]) => inProcess(args, { env })
    for (const name of ['ann', 'ben']) await run('init', '--as', name, '--relay', relay.url)
    for (const act of ['request', 'inform', 'dance']) await run('send', 'ben', 'one', '--act', act, '--as', 'ann')
    const watched = await run('watch', '--as', 'ben', '--once', '--exec', exec)
    expect(watched).toMatchObject({ code: 1, stdout: '' })
    expect(watched.stderr).toMatch(/cannot be run \(the shell's exit code is 12[67]\)/)
    const left = messagesOf(await run('inbox', '--as', 'ben', '--json'))
    expect(left).toHaveLength(3)
    for (const entry of left) {
      expect(entry).toMatchObject({ state: 'new', read: false, attempts: 0 })
      expect(entry).not.toHaveProperty('error')
    }
  },
)
