// Testing your own agent: a relay and agents in one process, under a clock that moves when you say so. No port, no folder, no waiting.
//   node --test examples/testing/
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { FailedError } from 'posthorn'
import { testMesh } from 'posthorn/testing'
import { greeter } from './greeter.mjs'

let mesh
let user
beforeEach(async () => {
  mesh = await testMesh({ seed: 1 }) // the same seed is the same run
  greeter(await mesh.agent('greeter'))
  user = await mesh.agent('user')
})
afterEach(() => mesh.close())

/** What `promise` comes to while virtual time passes. */
async function within(ms, promise) {
  const settled = promise.then(
    value => ({ value }),
    error => ({ error }),
  )
  await mesh.advance(ms)
  const { value, error } = await settled
  if (error) throw error
  return value
}

test('it greets', async () => {
  const { text } = await within(1_000, user.ask('greeter', 'good morning'))
  assert.equal(text, 'hello user, you said “good morning”')
})

test('it gives up on what it cannot do, after three tries, and says why', async () => {
  const refusal = within(30_000, user.ask('greeter', 'please shout', { timeout: 29_000 }))
  await assert.rejects(refusal, error => error instanceof FailedError && /do not shout/.test(error.message))
})

test('asked while it was dead, it answers when it is back', async () => {
  await mesh.kill('greeter') // as SIGKILL does
  const id = await user.send('greeter', 'are you there?', { act: 'request' })
  await mesh.advance(3_600_000) // an hour later, in no time
  greeter(await mesh.wake('greeter')) // the same key and mail; handlers are made anew, as in a new process
  await mesh.advance(1_000)
  const answers = user.inbox().filter(mail => mail.replyTo === id)
  assert.deepEqual(
    answers.map(mail => mail.text),
    ['hello user, you said “are you there?”'],
  )
})

test('a relay that goes away delays, and loses nothing', async () => {
  await mesh.killRelay()
  await user.send('greeter', 'one', { act: 'request' })
  await mesh.advance(10_000)
  assert.equal(user.status().queue, 1)
  await mesh.startRelay()
  await mesh.advance(60_000)
  assert.equal(user.inbox().length, 1)
})
