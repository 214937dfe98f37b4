import { connect, type StateView } from 'posthorn'
import { createMemoryStore, createRelay } from 'posthorn/relay'
import { expect, it, onTestFinished } from 'vitest'
import { dialNode } from '#dist/platform/dial-node.js'
import type { Dial, Socket } from '#dist/platform/socket.js'
import { STATE_DELTA } from '#dist/protocol/kinds.js'
import { deltaTags, shortId } from '#dist/protocol/state.js'
import { nowSeconds, type Person, person } from '../../helpers/events.ts'
import { sharedVerifier } from '../../helpers/shared-verifier.ts'
import { bob, eventually, memoryAgent } from '../agents.ts'

const MANY = 101
const ALLOWED = 8
const SESSION = '019b00000000aaaa'

async function startRelay(subscriptions: number): Promise<string> {
  const limits = { subscriptions }
  const relay = await createRelay({ store: createMemoryStore(), verifier: await sharedVerifier(), limits })
  onTestFinished(() => relay.close())
  return relay.listen({ port: 0 })
}

/** Says one thing after the other, as an agent's log would. */
function speaker({ sign }: Person) {
  let n = 0
  let previous: string | undefined
  return (value: number) => {
    n += 1
    const tags = deltaTags({ o: 's', session: SESSION, n, deps: [], ...(previous ? { previous } : {}) })
    const event = sign({ kind: STATE_DELTA, created_at: nowSeconds(), tags, content: JSON.stringify({ value }) })
    previous = shortId(event.id)
    return event
  }
}

/** Connections that can be cut, and the most subscriptions that one of them had at once. */
function watchedDial() {
  const open = new Set<Socket>()
  const seen = { most: 0, refused: 0 }
  const dial: Dial = (url, events, how) => {
    const subs = new Set<unknown>()
    const socket = dialNode(
      url,
      {
        ...events,
        onText(text) {
          const [type, sub, why] = JSON.parse(text)
          if (type === 'CLOSED') subs.delete(sub)
          if (type === 'CLOSED' && String(why).includes('subscriptions')) seen.refused += 1
          events.onText(text)
        },
        onClose(code, reason) {
          open.delete(socket)
          events.onClose(code, reason)
        },
      },
      how,
    )
    open.add(socket)
    return {
      ...socket,
      send(text) {
        const [type, sub] = JSON.parse(text)
        if (type === 'REQ') subs.add(sub)
        if (type === 'CLOSE') subs.delete(sub)
        seen.most = Math.max(seen.most, subs.size)
        socket.send(text)
      },
      get unsentBytes() {
        return socket.unsentBytes
      },
    }
  }
  return { dial, seen, cut: () => void [...open].map(socket => socket.terminate()) }
}

it(`an agent follows ${MANY} states where a relay allows 8 subscriptions, live and over a lost connection`, async () => {
  const url = await startRelay(ALLOWED)
  const owners = Array.from({ length: MANY }, (_, n) => ({
    who: person(`owner ${n}`),
    say: speaker(person(`owner ${n}`)),
  }))
  const wire = await connect(url)
  onTestFinished(() => wire.close())
  const publish = async (value: number, of = owners) => {
    const said = await Promise.all(of.map(({ say }) => wire.publish(say(value))))
    expect(said.filter(({ accepted }) => !accepted).map(({ message }) => message)).toEqual([])
  }
  await publish(1)
  const { dial, seen, cut } = watchedDial()
  const reader = await memoryAgent(bob, url, { host: { dial }, speed: 20 })
  const views: StateView[] = await Promise.all(owners.map(({ who }) => reader.openState(who.pubkey)))
  expect(await Promise.all(views.map(view => view.ready()))).toEqual(views.map(() => true))
  const all = (value: number) => () => views.every(view => view.get('value') === value)
  await eventually('all are there', all(1))
  await eventually('all are followed', () => views.every(({ status }) => status.live === 1 && !status.error))
  await publish(2)
  await eventually('all are told', all(2))
  cut()
  await eventually('it is known that nothing is followed', () => views.every(({ status }) => status.live === 0))
  const some = owners.slice(-20)
  const theirs = (value: number) => () => views.slice(-20).every(view => view.get('value') === value)
  await publish(3, some)
  await eventually('all is made up for', theirs(3))
  await publish(4, some)
  await eventually('they are told again', theirs(4))
  await Promise.all(views.slice(1).map(view => view.close()))
  await publish(5, owners.slice(0, 1))
  await eventually('what is left is followed', () => views[0]?.get('value') === 5)
  expect(seen.most).toBeLessThanOrEqual(ALLOWED)
  expect(seen.refused).toBe(0)
})
