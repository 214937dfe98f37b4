import { expect, test } from 'vitest'
import { createWorkLoop } from '#dist/platform/work-loop.js'

test('a wake between the last look for work and the end of the loop is not lost', async () => {
  const queue: number[] = [1]
  const done: number[] = []
  const loop = createWorkLoop(
    async () => {
      const item = queue.shift()
      if (item !== undefined) done.push(item)
      return queue.length > 0
    },
    () => {},
  )
  loop.wake()
  // Arrive in every microtask around the moment the loop comes to rest.
  for (let n = 2; n <= 30; n++) {
    queue.push(n)
    loop.wake()
    await Promise.resolve()
  }
  await loop.idle()
  expect(done).toEqual(Array.from({ length: 30 }, (_, n) => n + 1))
})

test('a failing step is reported and does not end the loop for the next one', async () => {
  const errors: unknown[] = []
  let steps = 0
  const loop = createWorkLoop(
    async () => {
      steps += 1
      if (steps === 1) throw new Error('first')
      return false
    },
    error => errors.push(error),
  )
  loop.wake()
  await loop.idle()
  loop.wake()
  await loop.idle()
  expect(steps).toBe(2)
  expect(errors).toHaveLength(1)
})

test('steps never overlap', async () => {
  let inside = 0
  let most = 0
  let left = 5
  const loop = createWorkLoop(
    async () => {
      inside += 1
      most = Math.max(most, inside)
      await new Promise(resolve => setImmediate(resolve))
      inside -= 1
      left -= 1
      return left > 0
    },
    () => {},
  )
  loop.wake()
  loop.wake()
  await loop.idle()
  expect({ most, left }).toEqual({ most: 1, left: 0 })
})
