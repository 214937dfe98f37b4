// Command lines, run by sh in a group of their own, so that whatever they start can be ended with them.
import { spawn } from 'node:child_process'

const running = new Set()

export function must(condition, message) {
  if (!condition) throw new Error(message)
}

function start(line, { cwd, env }) {
  const child = spawn('/bin/sh', ['-c', line], { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const program = { child, out: '', said: '', ended: undefined }
  program.ended = new Promise(resolve => child.on('close', (code, signal) => resolve(code ?? signal)))
  const take = text => {
    program.said += text
  }
  child.stdout.setEncoding('utf8').on('data', text => {
    program.out += text
    take(text)
  })
  child.stderr.setEncoding('utf8').on('data', take)
  running.add(program)
  void program.ended.then(() => running.delete(program))
  return program
}

const tail = text => text.trim().split('\n').slice(-25).join('\n')

function end({ child }, signal) {
  try {
    process.kill(-child.pid, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

/** Runs a line to its end and resolves to all that it said. With `fails` it has to fail. */
export async function run(line, { cwd, env, fails = false, seconds = 300 }) {
  const program = start(line, { cwd, env })
  const limit = setTimeout(() => end(program, 'SIGKILL'), seconds * 1000)
  const code = await program.ended
  clearTimeout(limit)
  must((code !== 0) === fails && code !== 'SIGKILL', `${line}: ended with ${code}\n${tail(program.said)}`)
  return program.said
}

/** Starts a relay with `--json`, asks it for its NIP-11 document and a page of its log, and ends it. */
export async function answers(line, { cwd, env, seconds = 60 }) {
  const program = start(line, { cwd, env })
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${line}: no address after ${seconds} s\n${tail(program.said)}`)),
      seconds * 1000,
    )
  })
  const over = program.ended.then(code => {
    throw new Error(`${line}: ended with ${code} before it listened\n${tail(program.said)}`)
  })
  const listening = new Promise(resolve => {
    const look = () => {
      const found = /"listening":"(ws:[^"]+)"/.exec(program.out)
      if (found !== null) resolve(found[1])
    }
    program.child.stdout.on('data', look)
  })
  try {
    const http = (await Promise.race([listening, late, over])).replace('ws:', 'http:')
    const about = await (await fetch(http, { headers: { accept: 'application/nostr+json' } })).json()
    must(about.supported_nips?.includes(1), `the relay says ${JSON.stringify(about)}`)
    const page = await fetch(`${http.replace(/\/$/, '')}/sync?since_seq=0`)
    must(page.ok, `/sync answers ${page.status}`)
    await page.text()
  } finally {
    clearTimeout(timer)
    over.catch(() => {})
    end(program, 'SIGTERM')
  }
  await program.ended
  must(!/is not a function|not implemented/i.test(program.said), tail(program.said))
}

export async function stopAll() {
  for (const program of running) end(program, 'SIGKILL')
  await Promise.all([...running].map(({ ended }) => ended))
}
