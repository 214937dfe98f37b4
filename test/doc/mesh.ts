import { type TestMesh, testMesh } from 'posthorn/testing'

export type Mesh = TestMesh

export const standInMesh = (seed = 1): Promise<TestMesh> => testMesh({ keys: 'stand-in', seed })

/** Lets virtual time pass until something is there. */
export async function during<T>(mesh: TestMesh, promise: Promise<T>, ms = 20_000): Promise<T> {
  let done = false
  const ended = promise.finally(() => {
    done = true
  })
  ended.catch(() => {})
  for (let left = ms; !done && left > 0; left -= 100) await mesh.advance(100)
  return ended
}
