import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

// What the documents point at is there: files by path or by name, other pages, headings.
const ROOT = resolve(import.meta.dirname, '../..')
const FOLDERS = [
  'protocol',
  'platform',
  'relay',
  'sdk',
  'testing',
  'mcp',
  'cli',
  'test',
  'bench',
  'deploy',
  'docs',
  'examples',
]
const DOCUMENTS = [
  ...readdirSync(ROOT).filter(name => name.endsWith('.md')),
  ...readdirSync(join(ROOT, 'docs')).map(name => `docs/${name}`),
  'bench/README.md',
]
/** As in `sdk/doc`, `relay/search*.ts`, `test/crash/{kill,rewind}.test.ts`; a folder may end in a slash. */
const PATH = new RegExp(`^(?:${FOLDERS.join('|')})/[\\w./*{},-]*$`)
const FILE = /^[a-z][\w-]*\.(?:ts|mjs|cjs)$/

const files = FOLDERS.flatMap(folder =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map(name => `${folder}/${name}`),
)
const names = new Set(files.map(name => basename(name)))

function isThere(path: string): boolean {
  if (!/[*{]/.test(path)) return existsSync(join(ROOT, path))
  const pattern = path
    .replace(/[.]/g, '\\.')
    .replace(/\*/g, '[^/]*')
    .replace(/\{([^}]*)\}/g, (_, list: string) => `(?:${list.replaceAll(',', '|')})`)
  return files.some(name => new RegExp(`^${pattern}$`).test(name))
}

/** As GitHub makes them. */
const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

function leadsSomewhere(document: string, target: string): boolean {
  if (/^[a-z]+:/.test(target)) return true
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? join(ROOT, document) : join(ROOT, dirname(document), path)
  if (!existsSync(file)) return false
  return anchor === undefined || (statSync(file).isFile() && anchorsOf(readFileSync(file, 'utf8')).includes(anchor))
}

test.each(DOCUMENTS)('%s', document => {
  const text = readFileSync(join(ROOT, document), 'utf8').replace(/^```[\s\S]*?^```/gm, '')
  const quoted = [...text.matchAll(/`([^`\n]+)`/g)].map(([, each = '']) => each)
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, each = '']) => each)
  expect(quoted.filter(each => PATH.test(each) && !isThere(each))).toEqual([])
  expect(quoted.filter(each => FILE.test(each) && !names.has(each))).toEqual([])
  expect(links.filter(each => !leadsSomewhere(document, each))).toEqual([])
})

test('what is not there is missed', () => {
  expect(
    ['sdk/doc', 'sdk/doc/', 'relay/search*.ts', 'test/crash/{kill,rewind}.test.ts'].filter(each => !isThere(each)),
  ).toEqual([])
  expect(['sdk/dock', 'relay/serach*.ts', 'test/crash/{kil,rewin}.test.ts'].filter(isThere)).toEqual([])
  const from = relative(ROOT, import.meta.filename)
  expect(leadsSomewhere('docs/guide.md', 'protocol.md#wills')).toBe(true)
  expect(leadsSomewhere('docs/guide.md', 'protocol.md#will')).toBe(false)
  expect(leadsSomewhere(from, 'no-such.md')).toBe(false)
})

test('docs/architecture.md gives a reason for every dependency, and names no other', () => {
  const text = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8')
  const section = /^## Dependencies$([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(text)?.[1] ?? ''
  const rows = section.split('\n').filter(line => line.startsWith('| ') && !line.startsWith('| package'))
  const named = rows.flatMap(row => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name))
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
    string,
    Record<string, string>
  >
  const installed = ['dependencies', 'optionalDependencies', 'peerDependencies', 'devDependencies'].flatMap(each =>
    Object.keys(manifest[each] ?? {}),
  )
  expect(installed.filter(name => !named.includes(name) && !name.startsWith('@types/'))).toEqual([])
  expect(named.filter(name => !installed.includes(name))).toEqual([])
})
