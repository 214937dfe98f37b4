import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encode, type NostrEvent } from 'posthorn/protocol'
import { expect, onTestFinished, test } from 'vitest'
import { nowSeconds, person } from '../helpers/events.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { connect, type Wire } from '../relay/wire.ts'
import { inProcess, start } from './posthorn.ts'

const alice = person('alice')
const note = (fields: Partial<NostrEvent> = {}) => alice.sign({ created_at: nowSeconds(), ...fields })

/** How a setting can be given: the arguments and environment that do it. */
const WAYS: Readonly<Record<string, (name: string, value: number) => { args: string[]; env: Record<string, string> }>> =
  {
    flag: (name, value) => ({ args: [`--${name}`, String(value)], env: {} }),
    environment: (name, value) => ({
      args: [],
      env: { [`POSTHORN_${name.replaceAll('-', '_').toUpperCase()}`]: String(value) },
    }),
    file: (name, value) => {
      const file = join(tempDir(), 'posthorn.toml')
      writeFileSync(file, `${name} = ${value}\n`)
      return { args: ['--config', file], env: {} }
    },
  }

async function running({
  args,
  env,
}: {
  args: string[]
  env: Record<string, string>
}): Promise<{ wire: Wire; url: string }> {
  const relay = start(['relay', '--port', '0', '--data', tempDir(), '--json', ...args], { env })
  onTestFinished(async () => {
    relay.child.kill('SIGTERM')
    await relay.ended
  })
  const line = (await relay.says('"listening":')).split('\n').find(text => text.includes('"listening":'))
  const { listening } = JSON.parse(line ?? '') as { listening: string }
  return { wire: await connect(listening), url: listening }
}

const tags = (count: number) => Array.from({ length: count }, (_, n) => ['t', String(n)])

test.each(Object.entries(WAYS))(
  'max-tags by %s: n is stored, n+1 is not, and NIP-11 and relay config tell of it',
  async (way, give) => {
    const given = give('max-tags', 300)
    const { wire, url } = await running(given)
    expect(await wire.publish(note({ tags: tags(300) }))).toMatchObject({ 2: true })
    expect(await wire.publish(note({ tags: tags(301) }))).toMatchObject({ 2: false, 3: 'invalid: more than 300 tags' })
    const response = await fetch(url.replace('ws', 'http'), { headers: { accept: 'application/nostr+json' } })
    expect(await response.json()).toMatchObject({ limitation: { max_event_tags: 300 } })
    const { stdout } = await inProcess(['relay', 'config', '--json', '--show-origin', ...given.args], {
      env: given.env,
    })
    const { settings } = JSON.parse(stdout) as { settings: Record<string, { value: number; origin: string }> }
    expect(settings['max-tags']?.value).toBe(300)
    const origin = { flag: '--max-tags', environment: 'POSTHORN_MAX_TAGS', file: expect.stringMatching(/toml$/) }[way]
    expect(settings['max-tags']?.origin).toEqual(origin)
  },
)

test('any age of created_at: 0 takes the bound away', async () => {
  const { wire, url } = await running({ args: ['--created-at-past', '0'], env: {} })
  expect(await wire.publish(note({ created_at: 1 }))).toMatchObject({ 2: true })
  const response = await fetch(url.replace('ws', 'http'), { headers: { accept: 'application/nostr+json' } })
  expect(JSON.stringify(await response.json())).not.toContain('created_at_lower_limit')
})

test('a follow list of 5,000 keys fits where the limits say so', async () => {
  const limits = { 'max-tags': 5_000, 'max-event-bytes': 500_000, 'max-frame-bytes': 524_288 }
  const args = Object.entries(limits).flatMap(([name, value]) => [`--${name}`, String(value)])
  const { wire } = await running({ args, env: {} })
  const follows = Array.from({ length: 5_000 }, (_, n) => ['p', n.toString(16).padStart(64, '0')])
  const list = note({ kind: 3, tags: follows })
  expect(encode.publish(list).length).toBeGreaterThan(350_000)
  expect(await wire.publish(list)).toMatchObject({ 2: true })
})

test.each([
  [['--max-tags', '0'], '--max-tags is at least 1'],
  [['--max-connections-per-address', '0'], '--max-connections-per-address is at least 1'],
  [['--max-content-bytes', '90000000'], '--max-content-bytes is above --max-event-bytes'],
  [['--max-event-bytes', '1000000'], '--max-frame-bytes is at least 1001024'],
])('%j is refused before anything is opened', async (args, message) => {
  const { code, stderr } = await inProcess(['relay', '--port', '0', '--data', '/nonexistent/x', ...args])
  expect(code).toBe(2)
  expect(stderr).toContain(message)
})
