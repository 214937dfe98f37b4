import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { inProcess, messagesOf } from './posthorn.ts'

async function scene() {
  const relay = await startRelay()
  const folder = tempDir()
  const run = (...args: string[]) =>
    inProcess(args, { env: { XDG_DATA_HOME: folder, PATH: process.env['PATH'] ?? '' } })
  for (const name of ['ann', 'bob']) await run('init', '--as', name, '--relay', relay.url)
  await run('send', 'bob', 'work', '--as', 'ann', '--act', 'request')
  const left = async () => messagesOf(await run('inbox', '--as', 'bob', '--offline', '--json'))[0]
  const watch = (command: string) => run('watch', '--once', '--as', 'bob', '--exec', command)
  return { folder, run, left, watch }
}

describe.skipIf(process.platform === 'win32')('watch --once', () => {
  test('a command that cannot be run: said once, exit 1, and no attempt counts however often', async () => {
    const { folder, left, watch } = await scene()
    const notRunnable = join(folder, 'script')
    writeFileSync(notRunnable, 'echo hi', { mode: 0o600 })
    for (const command of ['nosuchcmd-at-all', notRunnable, './nowhere', 'nosuchcmd-at-all']) {
      const ran = await watch(command)
      expect([ran.code, ran.stdout], command).toEqual([1, ''])
      expect(ran.stderr).toContain('the command cannot be run')
      expect(ran.stderr).not.toContain('nothing to do')
    }
    expect(await left()).toMatchObject({ attempts: 0 })
    const done = await watch('cat /dev/stdin > /dev/null; echo answered > /dev/stderr')
    expect([done.code, done.lines.length]).toEqual([0, 1])
    expect(await left()).toMatchObject({ state: 'done', attempts: 1 })
    expect(await watch('true')).toMatchObject({ code: 3, stderr: expect.stringContaining('nothing to do') })
  })

  test('a line the shell cannot read: exit 2, nothing is taken from the inbox', async () => {
    const { run, watch } = await scene()
    for (const command of ['if true', 'echo "unfinished', '(']) {
      const ran = await watch(command)
      expect([ran.code, ran.stdout, ran.stderr]).toEqual([2, '', expect.stringContaining('cannot read the command')])
    }
    expect(messagesOf(await run('inbox', '--as', 'bob', '--json'))).toMatchObject([{ state: 'new', attempts: 0 }])
  })
})
