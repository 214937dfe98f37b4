import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Block, extractBlocks } from './blocks.ts'
import { runBlock } from './run-block.ts'
import { openSandbox, type Sandbox } from './sandbox.ts'

// Every fenced block of README.md and docs/*.md runs here, in order, in one sandbox a document.
const ROOT = resolve(import.meta.dirname, '../..')
const published = ['README.md', ...readdirSync(join(ROOT, 'docs')).map(name => `docs/${name}`)]
const documents = [
  'test/docs/sample.md',
  ...published.filter(name => name.endsWith('.md') && existsSync(join(ROOT, name))),
]

describe.each(documents)('%s', document => {
  const blocks = extractBlocks(document, readFileSync(join(ROOT, document), 'utf8'))
  let sandbox: Sandbox
  beforeAll(async () => {
    sandbox = await openSandbox()
  })
  afterAll(() => sandbox?.[Symbol.asyncDispose]())

  if (blocks.length === 0) test('has no blocks', () => {})
  for (const [index, block] of blocks.entries()) {
    const what = block.run.skip === undefined ? block.language : `${block.language}, skipped: ${block.run.skip}`
    const timeout = 60_000 + block.run.timeoutSeconds * 1_000
    test(`line ${block.line} (${what})`, () => runBlock(block, blocks.slice(0, index), sandbox), timeout)
  }
})

describe('the runner goes red', () => {
  const only = (markdown: string): Block => {
    const [block, ...more] = extractBlocks('a.md', markdown)
    if (block === undefined || more.length > 0) throw new Error('one block, please')
    return block
  }
  const fenced = (language: string, code: string, comment = '') => `${comment}\n\`\`\`${language}\n${code}\n\`\`\`\n`
  let sandbox: Sandbox
  beforeAll(async () => {
    sandbox = await openSandbox()
  })
  afterAll(() => sandbox?.[Symbol.asyncDispose]())

  test.each([
    ['a failing command', fenced('sh', 'false')],
    ['a failing command in the middle', fenced('sh', 'false\ntrue')],
    ['a command after setup', fenced('sh', 'npm ci && false')],
    ['an exit code that is not the promised one', fenced('sh', 'exit 4', '<!-- run: exit=3 -->')],
    ['a command that hangs', fenced('sh', 'sleep 60', '<!-- run: timeout=1 -->')],
    ['a relay that does not start', fenced('sh', 'npx posthorn relay --no-such-flag')],
    ['a type error', fenced('ts', 'const n: number = "x"')],
    ['an export that does not exist', fenced('ts', `import { nothing } from 'posthorn/protocol'\nnothing()`)],
    ['a script that throws', fenced('ts', 'throw new Error("x")')],
    ['an await that never settles', fenced('ts', 'await new Promise(() => {})')],
    ['bad JSON', fenced('json', '{"a":}')],
    ['a frame that is none', fenced('json', '["REQ", "sub", {"kinds": "1"}]')],
    ['output that was not said', fenced('text', 'never said', '<!-- run: output -->')],
    ['a text block nobody covers', fenced('text', 'x')],
    ['a language nobody runs', fenced('python', 'x')],
    ['a block without a language', fenced('', 'x')],
  ])('on %s', async (_, markdown) => {
    await expect(runBlock(only(markdown), [], sandbox)).rejects.toThrow()
  })

  test.each([
    ['an open fence', '```sh\ntrue\n'],
    ['a comment without its block', '<!-- run: exit=1 -->\ntext\n'],
    ['a comment at the end', '<!-- run: exit=1 -->\n'],
    ['an unknown directive', fenced('sh', 'true', '<!-- run: sideways -->')],
    ['a skip without a reason', fenced('sh', 'true', '<!-- skip: -->')],
  ])('on %s', (_, markdown) => {
    expect(() => extractBlocks('a.md', markdown)).toThrow()
  })
})
