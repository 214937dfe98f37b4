import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createMemoryStore, createRelay } from 'posthorn/relay'
import { describe, expect, onTestFinished, test } from 'vitest'
import { manualTime } from '../relay/relay-on-test.ts'
import { type Json, replay, type Stage } from './dialogue.ts'

// The examples of the specification are replayed against the relay, frame by frame.
const text = readFileSync(resolve(import.meta.dirname, '../../docs/protocol.md'), 'utf8')
const blocks = (language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(match => ({
    code: match[1] ?? '',
    line: text.slice(0, match.index).split('\n').length,
  }))
const [templates] = blocks('json').filter(({ code }) => code.startsWith('{"$'))
const events = Object.fromEntries(
  Object.entries(JSON.parse(templates?.code ?? '{}') as Record<string, Json>).map(([name, template]) => [
    name.slice(1),
    template,
  ]),
)

async function openStage(): Promise<Stage> {
  const time = manualTime()
  const relay = await createRelay({ ...time, store: createMemoryStore() })
  onTestFinished(() => relay.close())
  return { url: await relay.listen({ port: 0 }), time, connections: () => relay.load.connections }
}

describe('docs/protocol.md', () => {
  test('has examples of SEQ, wills and AUTH', () => {
    const all = blocks('dialogue')
      .map(({ code }) => code)
      .join('\n')
    for (const word of ['"SEQ"', '"GONE"', '"WILL"', '"AUTH"', 'cursor-unknown']) expect(all).toContain(word)
  })
  for (const { code, line } of blocks('dialogue'))
    test(`line ${line}`, async () => replay(code, events, await openStage()))
})

describe('the replay goes red', () => {
  test.each([
    ['another frame', 'ada> ["COUNT", "c", {}]\nada< ["COUNT", "c", {"count": 7}]'],
    ['another value of a name', 'ada> ["REQ", "a", {}]\nada< ["EOSE", "$x", ["…", "$x", "…", "…", "…"]]'],
    ['a frame too short', 'ada> ["COUNT", "c", {}]\nada< ["COUNT", "c"]'],
    ['a line that is none', 'ada hopes'],
  ])('on %s', async (_, script) => {
    await expect(replay(script, {}, await openStage())).rejects.toThrow()
  })
})
