import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { exitCodeOf } from '#dist/cli/errors.js'
import { ownCommand } from '#dist/cli/own-command.js'
import { explainSystemError } from '#dist/cli/system-errors.js'
import { connectReason } from '#dist/platform/connect-reason.js'
import { trustProxies } from '#dist/relay/address.js'
import { inProcess } from '../cli/posthorn.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { alice, bob, contactsOf, eventually, memoryAgent } from './agents.ts'

/** Names that every plain object answers to. Where others choose a name, each of these is one like any other. */
const WORDS = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__']
const all = <T>(value: T): Record<string, T> => Object.fromEntries(WORDS.map(word => [word, value]))

test('keys of state, counters and sets, read by another agent', async () => {
  await using relay = await startRelay()
  const a = await memoryAgent(alice, relay.url)
  const b = await memoryAgent(bob, relay.url)
  for (const word of WORDS) expect(await a.state.get(word), word).toBeUndefined()
  await a.state.update(all(1))
  for (const word of WORDS) {
    await a.state.count(word, 2)
    await a.state.add(word, 'x')
  }
  expect(await a.state.flush()).toBe(true)
  const view = await b.openState('alice')
  await eventually('read', () => WORDS.every(word => view.counter(word) === 2 && view.set(word).length === 1))
  expect(WORDS.map(word => view.get(word))).toEqual(WORDS.map(() => 1))
  const { values, counters, sets } = view.content()
  for (const part of [values, counters, sets]) expect(Object.keys(part).sort()).toEqual([...WORDS].sort())
  await view.close()
})

test('acts, units of a budget and names of contacts', async () => {
  await using relay = await startRelay()
  const a = await memoryAgent(alice, relay.url)
  const b = await memoryAgent(bob, relay.url)
  const budgets: unknown[] = []
  // An act like any other that is ours to name, and a handler for it.
  b.handle('constructor', () => 'made')
  b.handle('request', ({ budget }) => {
    budgets.push(Object.entries(budget ?? {}).sort())
    return 'done'
  })
  for (const word of WORDS) await expect(a.send(word, 'x'), word).rejects.toMatchObject({ code: 'unknown-recipient' })
  const named = await memoryAgent(alice, relay.url, {
    contacts: [...contactsOf(alice), ...WORDS.map(name => ({ name, pubkey: bob.pubkey }))],
  })
  for (const word of WORDS) expect((await named.ask(word, 'x', { budget: all(7) })).text, word).toBe('done')
  expect(budgets).toEqual(WORDS.map(() => Object.entries(all(7)).sort()))
  expect((await named.ask('toString', 'x', { act: 'constructor' })).text).toBe('made')
})

test('what an error calls itself is looked up among our own words alone', () => {
  for (const code of WORDS) {
    const error = Object.assign(new Error('as it is'), { code })
    expect(exitCodeOf(error), code).toBe(1)
    expect(explainSystemError(error), code).toBeUndefined()
    expect(connectReason(error, 'wss://relay.example'), code).toBe('as it is')
    const inner = Object.assign(new AggregateError([error], 'both'), { code: '' })
    expect(connectReason(inner, 'wss://relay.example'), code).toBe('both')
  }
})

test('words on the command line, in its environment and in a file of settings', async () => {
  const folder = tempDir()
  expect(ownCommand({ npm_execpath: '/npm', npm_config_user_agent: 'constructor/1' })).toBe('npx posthorn')
  for (const word of WORDS) {
    expect(() => trustProxies([word]), word).toThrow(
      expect.objectContaining({ message: expect.stringContaining(word) }),
    )
    const run = (...args: string[]) => inProcess(args, { env: { XDG_DATA_HOME: folder } })
    for (const args of [[word], ['help', word], ['inbox', `--${word}`], ['relay', '--trusted-proxy', word]])
      expect(await run(...args), args.join(' ')).toMatchObject({ code: 2, stdout: '' })
    const config = join(folder, 'relay.toml')
    writeFileSync(config, `${word} = 1\n`)
    expect(await run('relay', 'config', '--config', config), word).toMatchObject({ code: 2, stdout: '' })
    expect(await run('init', '--as', word, '--relay', 'ws://127.0.0.1:9'), word).not.toMatchObject({ code: 2 })
    const { code, stdout } = await run('whoami', '--as', word, '--json')
    expect([code, JSON.parse(stdout).name]).toEqual([0, word])
  }
})
