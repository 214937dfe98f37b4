import type { AddressInfo, Socket } from 'node:net'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { tempDir } from '../helpers/temp-dir.ts'
import { inProcess } from './posthorn.ts'

test('Ctrl-C ends whatever waits for a relay that takes connections and says nothing', async () => {
  const sockets: Socket[] = []
  const hole = createServer(socket => void sockets.push(socket)).listen(0, '127.0.0.1')
  await new Promise(resolve => hole.once('listening', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    hole.close()
  })
  const url = `ws://127.0.0.1:${(hole.address() as AddressInfo).port}`
  const env = { XDG_DATA_HOME: tempDir() }
  const quick = (line: string, signal?: AbortSignal) =>
    inProcess(line.split(' '), { env, ...(signal === undefined ? {} : { signal }) })
  await quick(`init --as ann --relay ${url}`)
  await quick(`init --as bob --relay ${url}`)
  // Longer than a test may take.
  const lines = [
    `req {} --relay ${url}`,
    `publish --kind 1 x --as ann`,
    `sync ${url} ${url}/other`,
    'state set a 1 --as ann',
    'presence show bob --as ann',
    'doctor --as bob',
  ]
  for (const line of lines) {
    const interruption = new AbortController()
    const before = sockets.length
    const ended = quick(`${line} --timeout 600`, interruption.signal)
    await expect.poll(() => sockets.length, { timeout: 10_000 }).toBeGreaterThan(before)
    interruption.abort()
    expect((await ended).code, line).toBe(130)
  }
})
