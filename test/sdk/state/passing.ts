import type { TestMesh } from 'posthorn/testing'

/** Lets virtual time pass until a task is settled, at most 40 s of it. */
export async function passing<T>(on: TestMesh, task: Promise<T>): Promise<T> {
  let settled = false
  const end = () => {
    settled = true
  }
  task.then(end, end)
  for (let tries = 0; !settled && tries < 1_600; tries += 1) await on.advance(tries < 20 ? 1 : 100)
  return task
}
