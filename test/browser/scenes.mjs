// What an agent in a tab must live through. Every scene is played in a browser of its own tabs against a real relay.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { createMemoryMailStore, openAgent } from 'posthorn'
import { createRelay } from 'posthorn/relay'
import { until } from './until.mjs'

const ROOT = resolve(import.meta.dirname, '../..')

/** Opens the profile `phone` in a tab, remembers what its handler saw (it never finishes with `stuckAt`), and leaves the agent at `window.agent`. */
async function openPhone(tab, { url, desk, relayUrl, name = 'phone', stuckAt }) {
  await tab.goto(url)
  await tab.evaluate(
    async ({ desk, relayUrl, name, stuckAt }) => {
      const contacts = () => [{ name: 'desk', pubkey: desk }]
      const agent = await posthorn.openAgent({ name, relays: [relayUrl], host: { contacts } })
      window.agent = agent
      window.handled = []
      agent.handle('note', ({ text }) => {
        if (text === stuckAt) return new Promise(() => {})
        window.handled.push(text)
      })
    },
    { desk, relayUrl, name, stuckAt },
  )
  return tab.evaluate(() => window.agent.pubkey)
}

/** The tab dies as it does when memory runs out: nothing of the page runs any more. */
async function crash(browser, tab) {
  const session = await browser.newCDPSession(tab)
  const died = tab.waitForEvent('crash')
  session.send('Page.crash').catch(() => {})
  await died
  await tab.close()
}

const texts = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => `note ${from + index}`)
const inboxOf = tab => tab.evaluate(() => window.agent.inbox().map(({ text }) => text))

export async function makeStage(browser, url, data) {
  let relay = await createRelay({ data })
  const relayUrl = await relay.listen({ port: 0 })
  const secretKey = Uint8Array.from({ length: 32 }, (_, index) => index + 1)
  const known = []
  const desk = await openAgent({
    name: 'desk',
    relays: [relayUrl],
    accept: 'anyone',
    host: { secretKey, store: createMemoryMailStore(), contacts: () => known },
  })
  desk.handle('request', ({ text }) => `desk read ${text}`)
  return {
    browser,
    url,
    relayUrl,
    desk: desk.pubkey,
    agent: desk,
    meet: pubkey => known.push({ name: 'phone', pubkey }),
    async stopRelay() {
      await relay.close()
      relay = undefined
    },
    async startRelay() {
      relay = await createRelay({ data })
      await relay.listen({ port: Number(new URL(relayUrl).port) })
    },
    /** However a scene ended, the next finds the relay and no tab of it. */
    async tidy() {
      await browser.setOffline(false)
      await Promise.all(browser.pages().map(page => page.url() === 'about:blank' || page.close()))
      if (!relay) await this.startRelay()
    },
    async close() {
      await desk.close({ timeoutMs: 100 })
      await relay?.close()
    },
  }
}

/** Runs the example's server until the test is done with it; resolves to its address. */
async function startExample(path) {
  const child = spawn(process.execPath, [join(ROOT, 'examples', path)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [first] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), once(child, 'exit')])
  const url = /http:\S+/.exec(String(first))?.[0]
  assert.ok(url, `the example said ${first}`)
  return {
    url,
    async stop() {
      child.kill('SIGINT')
      await once(child, 'exit')
    },
  }
}

/** In order: each goes on with the profile that the one before left. */
export const scenes = [
  [
    'a tab asks, is answered, and its mail is on the relay',
    async stage => {
      const tab = await stage.browser.newPage()
      stage.phone = await openPhone(tab, stage)
      stage.meet(stage.phone)
      const { answer, delivery, relays } = await tab.evaluate(async () => {
        const { text } = await agent.ask('desk', 'hello')
        const id = await agent.send('desk', 'one more')
        return { answer: text, delivery: await agent.stored(id), relays: agent.status().relays }
      })
      assert.equal(answer, 'desk read hello')
      assert.equal(delivery.state, 'stored')
      assert.equal(relays[0].state, 'live')
      await tab.close()
    },
  ],
  [
    'a closed tab sleeps; what came meanwhile is caught up, in order, once',
    async stage => {
      for (const text of texts(1, 150)) await stage.agent.send('phone', text, { act: 'note' })
      await until('the desk has sent', () => stage.agent.status().queue === 0)
      const tab = await stage.browser.newPage()
      assert.equal(await openPhone(tab, stage), stage.phone, 'the key was kept')
      await until('all handled', () => tab.evaluate(() => handled.length >= 150))
      assert.deepEqual(await tab.evaluate(() => handled), texts(1, 150))
      // What is kept, is kept in order: with this message the marks of those before it are.
      await tab.evaluate(() => agent.send('desk', 'read all of them'))
      await tab.close()
      const again = await stage.browser.newPage()
      await openPhone(again, stage)
      await again.evaluate(() => agent.sync())
      assert.deepEqual(
        (await inboxOf(again)).filter(text => text.startsWith('note')),
        texts(1, 150),
      )
      assert.deepEqual(await again.evaluate(() => handled), [])
      await again.close()
    },
  ],
  [
    'a tab that crashes right after `send` has lost nothing, and sends it once',
    async stage => {
      await stage.stopRelay()
      const tab = await stage.browser.newPage()
      await openPhone(tab, stage)
      const id = await tab.evaluate(() => agent.send('desk', 'said in the tunnel'))
      await crash(stage.browser, tab)
      await stage.startRelay()
      const again = await stage.browser.newPage()
      await openPhone(again, stage)
      await again.evaluate(id => agent.stored(id), id)
      await until('it arrived', () => stage.agent.inbox().some(mail => mail.id === id))
      assert.equal(stage.agent.inbox().filter(({ text }) => text === 'said in the tunnel').length, 1)
      await again.close()
    },
  ],
  [
    'a tab that crashes while it catches up goes on where it was, nothing twice',
    async stage => {
      for (const text of texts(151, 450)) await stage.agent.send('phone', text, { act: 'note' })
      await until('the desk has sent', () => stage.agent.status().queue === 0)
      const tab = await stage.browser.newPage()
      // However late we look, it has not handled the rest.
      await openPhone(tab, { ...stage, stuckAt: 'note 300' })
      await until('it is in the middle', () => tab.evaluate(() => agent.inbox().length > 200))
      await crash(stage.browser, tab)
      const again = await stage.browser.newPage()
      await openPhone(again, stage)
      await again.evaluate(() => agent.sync())
      assert.deepEqual(
        (await inboxOf(again)).filter(text => text.startsWith('note')),
        texts(1, 450),
      )
      await until('the rest is handled', () => again.evaluate(() => handled.includes('note 450')))
      await again.close()
    },
  ],
  [
    'a second tab on the profile is refused, and free once the first is gone',
    async stage => {
      const [first, second] = [await stage.browser.newPage(), await stage.browser.newPage()]
      await openPhone(first, stage)
      await assert.rejects(openPhone(second, stage), /HomeInUseError.*phone.*in use by another tab/s)
      await first.close()
      await until('the lock is dropped', () =>
        openPhone(second, stage).then(
          () => true,
          () => false,
        ),
      )
      await second.evaluate(() => agent.close())
      await openPhone(second, stage)
      await second.close()
    },
  ],
  [
    'profiles of one site know each other by name',
    async stage => {
      const [phone, watch] = [await stage.browser.newPage(), await stage.browser.newPage()]
      await openPhone(phone, stage)
      await watch.goto(stage.url)
      const answer = await watch.evaluate(async relay => {
        window.agent = await posthorn.openAgent({ name: 'watch', relays: [relay] })
        const id = await agent.send('phone', 'tick')
        return agent.stored(id)
      }, stage.relayUrl)
      assert.equal(answer.state, 'stored')
      await until('it came', async () => (await inboxOf(phone)).includes('tick'))
      await Promise.all([phone.close(), watch.close()])
    },
  ],
  [
    'offline is told, and online again it catches up',
    async stage => {
      const tab = await stage.browser.newPage()
      await openPhone(tab, stage)
      await tab.evaluate(() => agent.sync())
      // In this order: a browser that is told to be offline does not hear that the relay hung up.
      await stage.stopRelay()
      await stage.browser.setOffline(true)
      await until('offline', () => tab.evaluate(() => agent.status().relays[0].state === 'offline'))
      await stage.startRelay()
      await stage.agent.sync()
      await stage.agent.send('phone', 'while you were under ground')
      await until('the desk has sent', () => stage.agent.status().queue === 0)
      const id = await tab.evaluate(() => agent.send('desk', 'from under ground'))
      assert.equal(await tab.evaluate(id => agent.delivery(id).state, id), 'queued')
      await stage.browser.setOffline(false)
      await until('it came', async () => (await inboxOf(tab)).includes('while you were under ground'))
      await tab.evaluate(id => agent.stored(id), id)
      await tab.close()
    },
  ],
  [
    'storage cleared under an open agent is named and written back; lost for good, no key is made in silence',
    async stage => {
      const tab = await stage.browser.newPage()
      const key = await openPhone(tab, { ...stage, name: 'wiped' })
      const wipe = () =>
        tab.evaluate(async () => {
          const all = (await indexedDB.databases()).filter(({ name }) => name === 'posthorn' || name.includes('wiped'))
          for (const { name } of all)
            await new Promise(resolve => Object.assign(indexedDB.deleteDatabase(name), { onsuccess: resolve }))
        })
      await wipe()
      await until('it is named', () => tab.evaluate(() => agent.status().storage === 'storage-gone'))
      const refused = await tab.evaluate(() => agent.send('desk', 'x').catch(({ code }) => code))
      assert.equal(refused, 'storage-gone')
      await tab.evaluate(() => posthorn.restoreStorage(agent))
      await tab.evaluate(() => agent.close())
      assert.equal(await openPhone(tab, { ...stage, name: 'wiped' }), key)
      await tab.evaluate(() => agent.close())
      await wipe()
      const lost = await tab.evaluate(
        relay => posthorn.openAgent({ name: 'wiped', relays: [relay] }).catch(({ code }) => code),
        stage.relayUrl,
      )
      assert.equal(lost, 'profile-lost')
      await tab.close()
    },
  ],
  [
    'the example: a phone that sleeps, on its page',
    async stage => {
      const example = await startExample('sleeping-phone/serve.mjs')
      try {
        const tab = await stage.browser.newPage()
        await tab.goto(example.url)
        await tab.getByRole('textbox').fill('<b>hello</b>')
        await tab.getByRole('button', { name: 'Send' }).click()
        await tab.getByText('desk: you said “<b>hello</b>”').waitFor()
        await tab.close()
        const again = await stage.browser.newPage()
        await again.goto(example.url)
        await again.getByText('desk: you said “<b>hello</b>”').waitFor()
        await again.getByText('live', { exact: true }).waitFor()
        await again.close()
      } finally {
        await example.stop()
      }
    },
  ],
]
