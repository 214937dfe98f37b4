import { expect, test } from 'vitest'
import { onDemand } from '#dist/platform/on-demand.js'

test('what is fetched on demand is fetched once, and again if that failed', async () => {
  let tries = 0
  const load = onDemand(async () => {
    tries += 1
    if (tries === 1) throw new Error('offline')
    return tries
  })
  await expect(load()).rejects.toThrow('offline')
  expect(await Promise.all([load(), load()])).toEqual([2, 2])
  expect(await load()).toBe(2)
})
