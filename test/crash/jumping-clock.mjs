// Loaded before a program (`node --import`): at each SIGUSR2 its wall clock jumps by the next of POSTHORN_TEST_JUMPS
// (seconds, with commas), as after a sleep or a correction. It begins POSTHORN_TEST_OFFSET seconds off. The monotonic clock goes on.
import { isMainThread } from 'node:worker_threads'

if (isMainThread) {
  const jumps = (process.env.POSTHORN_TEST_JUMPS ?? '').split(',').map(Number)
  const { now } = Date
  let offset = Number(process.env.POSTHORN_TEST_OFFSET ?? 0) * 1_000
  Date.now = () => now() + offset
  process.on('SIGUSR2', () => {
    offset += (jumps.shift() ?? 0) * 1_000
  })
}
