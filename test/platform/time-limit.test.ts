import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, onTestFinished, test } from 'vitest'
import { timeLimit } from '#dist/platform/time-limit.js'
import { systemTimers } from '#dist/platform/timers.js'

/** Accepts and says nothing, as a stopped process does. */
async function silentServer(): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => void sockets.add(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a request to who never answers ends in its time, whatever the garbage collector takes', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const collecting = setInterval(collect, 20)
  onTestFinished(() => clearInterval(collecting))
  const url = await silentServer()
  const ended = fetch(url, { signal: timeLimit(systemTimers, 300, new AbortController().signal).signal }).catch(
    error => error.name,
  )
  expect(await Promise.race([ended, wait(10_000, 'never')])).toBe('TimeoutError')
})

test('the outer signal ends it at once, before and meanwhile', () => {
  const outer = new AbortController()
  const { signal } = timeLimit(systemTimers, 60_000, outer.signal)
  expect(signal.aborted).toBe(false)
  outer.abort()
  expect(signal.aborted).toBe(true)
  expect(timeLimit(systemTimers, 60_000, outer.signal).signal.aborted).toBe(true)
})
