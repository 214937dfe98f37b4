import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { messageEnvironment } from '#dist/cli/watch/environment.js'
import { runCommand } from '#dist/cli/watch/run-command.js'
import { createSlots } from '#dist/cli/watch/slots.js'
import { verdictOf } from '#dist/cli/watch/verdict.js'
import { systemTimers } from '#dist/platform/timers.js'
import { tempDir } from '../helpers/temp-dir.ts'

const message = {
  id: 'a'.repeat(64),
  from: 'b'.repeat(64),
  act: 'request',
  at: 1_700_000_000,
  private: true,
  known: true,
  relay: 'ws://localhost:7678',
  attempts: 2,
}

const run = (command: string, options: Partial<Parameters<typeof runCommand>[0]> = {}) =>
  runCommand({
    command,
    env: { PATH: process.env['PATH'] },
    body: '',
    signal: new AbortController().signal,
    timers: systemTimers,
    timeLimitMs: 10_000,
    maxBytes: 1_000,
    onStderr() {},
    ...options,
  })

describe('what a command is told', () => {
  test('in the environment: no control character of others stays, nothing absent is invented', () => {
    const env = messageEnvironment({ ...message, act: 'x\u0000\u001b[2J\n$(id)', contentType: 'a\u009bb' }, '/home')
    expect(env).toMatchObject({
      POSTHORN_ACT: 'x  [2J $(id)',
      POSTHORN_CONTENT_TYPE: 'a b',
      POSTHORN_ATTEMPT: '2',
      POSTHORN_PRIVATE: '1',
      POSTHORN_HOME: '/home',
    })
    expect(Object.keys(env)).not.toContain('POSTHORN_NAME')
    expect(env['POSTHORN_NPUB']).toMatch(/^npub1/)
  })

  test('a hostile body and act are bytes on stdin and text in a variable, never words of the command', async () => {
    const hostile = `"; touch /tmp/owned; $(touch /tmp/owned) \`id\` '\n\u001b]0;x\u0007\r\n-n %s`
    const ran = await run('cat; printf "|%s" "$POSTHORN_ACT"', {
      body: hostile,
      env: { PATH: process.env['PATH'], ...messageEnvironment({ ...message, act: '$(id);`id`' }, '/h') },
    })
    expect(ran).toEqual({ end: 'exit', code: 0, stdout: Buffer.from(`${hostile}|$(id);\`id\``) })
  })
})

describe('the end of a command', () => {
  test('exit code, signal, time, too much said, and one that never read its stdin', async () => {
    const body = 'x'.repeat(1_000_000)
    const [code, signal, time, long, deaf] = await Promise.all([
      run('echo no; exit 77'),
      run('kill -9 $$'),
      run('sleep 30 & wait', { timeLimitMs: 50 }),
      run('cat', { body }),
      run('exit 0', { body }),
    ])
    expect(code).toEqual({ end: 'exit', code: 77, stdout: Buffer.from('no\n') })
    expect(signal).toEqual({ end: 'signal', name: 'SIGKILL' })
    expect(time).toEqual({ end: 'time' })
    expect(long).toEqual({ end: 'too-long' })
    expect(deaf).toEqual({ end: 'exit', code: 0, stdout: Buffer.alloc(0) })
  })

  test('means this for the message', () => {
    const exit = (code: number, stdout = '') => verdictOf({ end: 'exit', code, stdout: Buffer.from(stdout) }, 1_000)
    expect(exit(0)).toEqual({ kind: 'done', answer: undefined })
    expect(exit(0, 'yes\n')).toEqual({ kind: 'done', answer: 'yes' })
    expect(exit(77, 'not on Sundays\n')).toEqual({ kind: 'rejected', reason: 'not on Sundays' })
    // What it printed before it failed is not the sender's business.
    expect(exit(1, '/home/me/secret')).toEqual({ kind: 'again', reason: 'its command exited with 1' })
    expect(exit(127).kind).toBe('unusable')
    expect(exit(126).kind).toBe('unusable')
    expect(verdictOf({ end: 'time' }, 1_500)).toEqual({ kind: 'again', reason: 'its command took longer than 1.5 s' })
    expect(verdictOf({ end: 'stopped' }, 1).kind).toBe('stopped')
  })
})

test('slots: never more at a time, in order, and who leaves takes nobody’s place', async () => {
  const acquire = createSlots(2)
  const signal = new AbortController().signal
  const [first, second] = await Promise.all([acquire(signal), acquire(signal)])
  const order: string[] = []
  const leaver = new AbortController()
  const third = acquire(signal).then(release => {
    order.push('third')
    return release
  })
  const leaving = acquire(leaver.signal).catch(() => order.push('left'))
  const fourth = acquire(signal).then(() => order.push('fourth'))
  leaver.abort()
  await leaving
  first()
  first()
  await third
  expect(order).toEqual(['left', 'third'])
  second()
  await fourth
  expect(order).toEqual(['left', 'third', 'fourth'])
})

describe.skipIf(process.platform === 'win32')('its streams can be opened by name, as scripts do', () => {
  test.each([
    ['cat /dev/stdin', { code: 0, stdout: 'a body' }],
    ['cat /dev/fd/0', { code: 0, stdout: 'a body' }],
    ['cat < /dev/stdin | tr a-z A-Z', { code: 0, stdout: 'A BODY' }],
    ['echo one > /dev/stdout; echo two > /dev/stdout', { code: 0, stdout: 'one\ntwo\n' }],
    ['echo first >&2; echo aside > /dev/stderr; exit 3', { code: 3, stdout: '' }],
    ['cat > /dev/null; echo answer | tee /dev/stderr', { code: 0, stdout: 'answer\n' }],
    ['exit 77', { code: 77, stdout: '' }],
    ['nosuchcmd-at-all', { code: 127, stdout: '' }],
  ])('%s', async (command, expected) => {
    let aside = ''
    const ran = await run(command, { body: 'a body', onStderr: text => (aside += text) })
    expect(ran).toMatchObject({ end: 'exit', code: expected.code })
    expect(ran.end === 'exit' && ran.stdout.toString()).toBe(expected.stdout)
    if (command.includes('aside')) expect(aside).toBe('first\naside\n')
    if (command.includes('tee')) expect(aside).toBe('answer\n')
  })

  test('a process left in the background is not waited for, goes on, and adds nothing to the answer', async () => {
    const file = join(tempDir(), 'went-on')
    const background = `{ sleep 0.6; echo late; echo late; echo late >&2; echo late; echo yes > ${file}; sleep 20; }`
    let aside = ''
    const onStderr = (text: string) => {
      aside += text
    }
    const ran = await run(`echo before; ${background} & echo answer; echo aside >&2`, { onStderr })
    expect(ran).toMatchObject({ end: 'exit', code: 0 })
    expect(ran.end === 'exit' && ran.stdout.toString()).toBe('before\nanswer\n')
    // It writes to pipes that no one reads any more, and lives.
    await vi.waitFor(() => expect(existsSync(file)).toBe(true), { timeout: 10_000 })
    const chatty = await run('(sleep 0.1; exec yes) & echo $! >&2; exit 3', { onStderr })
    expect(chatty).toMatchObject({ end: 'exit', code: 3 })
    process.kill(Number(aside.trim().split('\n').at(-1)), 'SIGKILL')
  })

  test('what has no exit code of its own is never a success', async () => {
    // The shell around it is gone before it could say how the command ended.
    const ran = await run('kill -9 $PPID; sleep 0.2')
    expect(ran).toMatchObject({ end: 'signal' })
  })

  test('nothing of a body stays behind in the temporary folder', async () => {
    const folder = tempDir()
    const before = process.env['TMPDIR']
    process.env['TMPDIR'] = folder
    try {
      await run('ls -A "$PWD" > /dev/null; cat', { body: 'secret' })
      expect(readdirSync(folder)).toEqual([])
    } finally {
      if (before === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = before
    }
  })
})
