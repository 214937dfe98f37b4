import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { defaultLimits, parseClientFrame, parseRelayFrame } from 'posthorn/protocol'
import WebSocket from 'ws'
import type { Block } from './blocks.ts'
import type { Sandbox } from './sandbox.ts'

const TSC = resolve(import.meta.dirname, '../../node_modules/typescript/bin/tsc')
/** Had by being in the sandbox, or proven elsewhere (`npm test` is what runs this; the install is `test/packed`). */
const SETUP = /^(npm (ci|test|install posthorn|i posthorn|run build)|git clone \S+( \S+)?|cd \S+)$/
const RELAY = /^(npm start|(npx )?posthorn relay)( (?!check|prune|backup|restore|config|top)|$)/
const FRAMES = new Set(['EVENT', 'REQ', 'COUNT', 'CLOSE', 'OK', 'EOSE', 'CLOSED', 'NOTICE', 'SEQ', 'GONE'])

export async function runBlock(block: Block, earlier: readonly Block[], sandbox: Sandbox): Promise<void> {
  if (block.run.skip !== undefined) return
  for (const name of block.run.profiles)
    await sandbox.run('posthorn', ['init', '--as', name, '--relay', sandbox.relayUrl], { exit: 0, seconds: 30 })
  switch (block.language) {
    case 'sh':
    case 'bash':
      return runShell(block, sandbox)
    case 'ts':
    case 'typescript':
    case 'js':
      return runScript(block, earlier, sandbox)
    case 'json':
      return runJson(block, sandbox)
    case 'text':
      if (block.run.output) return compareOutput(block, sandbox)
  }
  throw new Error(
    `${block.document}:${block.line}: nothing runs a block of language "${block.language}"; say <!-- run: output --> before a text block, or <!-- skip: why -->`,
  )
}

/** Commands of a block: continuation lines joined, prompts and comments dropped, setup taken out of `a && b`. */
function commands(code: string): string[] {
  const lines = code.replace(/\\\n\s*/g, ' ').split('\n')
  return lines.flatMap(line => {
    const bare = line.replace(/^\s*\$ /, '').trim()
    if (bare === '' || bare.startsWith('#')) return []
    const parts = bare.replace(/\s+#\s.*$/, '').split(/\s+&&\s+/)
    const left = parts.filter(part => !SETUP.test(part.trim()))
    return left.length === 0 ? [] : [left.length === parts.length ? line.replace(/^\s*\$ /, '') : left.join(' && ')]
  })
}

async function runShell(block: Block, sandbox: Sandbox): Promise<void> {
  const { exit, timeoutSeconds, background } = block.run
  const port = new URL(sandbox.relayUrl).port
  let script: string[] = []
  const flush = async () => {
    if (script.length > 0)
      await sandbox.run('bash', ['-euo', 'pipefail', '-c', script.join('\n')], { exit, seconds: timeoutSeconds })
    script = []
  }
  for (const command of commands(block.code)) {
    const line = sandbox.localise(command)
    const bare = line.trim().replace(/\s+(#\s.*|&)$/, '')
    if (RELAY.test(bare)) {
      await flush()
      const own = bare.includes('--port')
        ? bare
        : `${bare}${bare.startsWith('npm start') && !bare.includes(' -- ') ? ' --' : ''} --port ${port}`
      await sandbox.start('bash', ['-c', `exec ${own}`], { relay: true })
    } else if (background) await sandbox.start('bash', ['-c', `exec ${bare}`], { relay: false })
    else script.push(line.replace(/\bposthorn init\b(?![^&|;]*--relay)/g, `$& --relay ${sandbox.relayUrl}`))
  }
  await flush()
}

async function runScript(block: Block, earlier: readonly Block[], sandbox: Sandbox): Promise<void> {
  const name = `block-${block.line}`
  const source = sandbox.localise(withEarlier(block, earlier))
  if (block.language === 'js') writeFileSync(join(sandbox.folder, `${name}.js`), source)
  else await compile(name, source, sandbox.folder)
  const script = [join(sandbox.folder, `${name}.js`)]
  if (block.run.background) await sandbox.start(process.execPath, script, { relay: false })
  else await sandbox.run(process.execPath, script, { exit: block.run.exit, seconds: block.run.timeoutSeconds })
}

function withEarlier(block: Block, earlier: readonly Block[]): string {
  if (!block.run.continues) return block.code
  const before = earlier.findLast(other => other.language === block.language && other.run.skip === undefined)
  if (before === undefined) throw new Error(`${block.document}:${block.line}: there is no block to continue`)
  return `${withEarlier(before, earlier.slice(0, earlier.indexOf(before)))}\n${block.code}`
}

/** As a strict user's TypeScript; an error in a document is a failure. */
async function compile(name: string, source: string, folder: string): Promise<void> {
  writeFileSync(join(folder, `${name}.ts`), `${source}\nexport {}\n`)
  const options = ['--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--skipLibCheck']
  const running = promisify(execFile)(process.execPath, [TSC, ...options, '--pretty', 'false', `${name}.ts`], {
    cwd: folder,
  })
  await running.catch((error: { stdout: string }) => {
    throw new Error(`it does not compile:\n${error.stdout}`)
  })
}

/** One JSON text, or one per line. A frame must be one that our own parsers read. */
async function runJson(block: Block, sandbox: Sandbox): Promise<void> {
  const texts = isJson(block.code) ? [block.code] : block.code.split('\n').filter(line => line.trim() !== '')
  for (const text of texts) {
    const value: unknown = JSON.parse(text)
    if (!Array.isArray(value) || !FRAMES.has(value[0])) continue
    const client = parseClientFrame(text, defaultLimits)
    const relay = parseRelayFrame(text)
    if (!client.ok && !relay.ok) throw new Error(`no frame of ours: ${client.error.reason}; ${relay.error}\n${text}`)
    if (block.run.replay) await replay(text, sandbox.relayUrl)
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** Sends one frame; the first answer must not refuse it. CLOSE has no answer. */
async function replay(text: string, url: string): Promise<void> {
  const socket = new WebSocket(url)
  try {
    const answer = await new Promise<string>((resolve, reject) => {
      socket.on('error', reject)
      socket.on('close', () => reject(new Error(`closed without an answer: ${text}`)))
      socket.on('message', data => resolve(String(data)))
      socket.on('open', () => {
        socket.send(text)
        if (text.startsWith('["CLOSE"')) resolve('')
      })
    })
    if (/^\["(NOTICE|CLOSED)"|^\["OK","[^"]*",false/.test(answer)) throw new Error(`refused: ${text}\n${answer}`)
  } finally {
    socket.removeAllListeners('close')
    socket.terminate()
  }
}

function compareOutput(block: Block, sandbox: Sandbox): void {
  let from = 0
  const said = sandbox.said
  for (const line of block.code.split('\n').filter(text => text.trim() !== '')) {
    const pattern = line
      .trim()
      .split('…')
      .map(part =>
        part
          .trim()
          .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
          .replace(/\s+/g, '\\s+'),
      )
    const found = new RegExp(pattern.join('.*?')).exec(said.slice(from))
    if (found === null) throw new Error(`the output lacks "${line}" (in this order)\n--- it was:\n${said}`)
    from += found.index + found[0].length
  }
}
