// Shared documents in pages: two tabs and an agent in Node edit one Y.Doc through a real relay.
import assert from 'node:assert/strict'
import { openDoc } from 'posthorn/doc'
import { until } from './until.mjs'

/** Opens a profile in a tab and the document in it, as an application of Yjs does. */
async function openPage(tab, { url, relayUrl, owner }, name) {
  await tab.goto(url)
  return tab.evaluate(
    async ({ relayUrl, owner, name }) => {
      window.agent = await posthorn.openAgent({ name, relays: [relayUrl], presence: false })
      window.open = () => {
        window.doc = new yjs.Doc()
        window.provider = new posthornDoc.PosthornProvider(doc, { agent, id: `${owner}/board` })
        return new Promise((resolve, reject) => {
          provider.once('synced', resolve)
          provider.once('connection-error', error => reject(error))
        })
      }
      return agent.pubkey
    },
    { relayUrl, owner, name },
  )
}

export const docScenes = [
  [
    'two pages and an agent edit one document, one of them offline for a while: all converge',
    async stage => {
      const { browser, agent } = stage
      const tabs = [await browser.newPage(), await browser.newPage()]
      const shared = await openDoc(agent, 'board')
      const where = { ...stage, owner: agent.pubkey }
      for (const [index, tab] of tabs.entries()) {
        await shared.invite(await openPage(tab, where, `editor-${index}`))
        await tab.evaluate(() => open())
      }
      const [first, second] = tabs
      const textOf = tab => tab.evaluate(() => doc.getText('t').toString())
      await first.evaluate(() => provider.awareness.setLocalState({ name: 'first' }))
      await first.evaluate(() => doc.getText('t').insert(0, 'page. '))
      shared.doc.getMap('m').set('by', 'agent')
      await until('the first page is read', () => shared.doc.getText('t').toString() === 'page. ')
      await until('names are seen', () =>
        second.evaluate(() => [...provider.awareness.getStates().values()].some(({ name }) => name === 'first')),
      )

      // The second page goes into a tunnel, and everybody goes on.
      await second.evaluate(() => provider.disconnect())
      await second.evaluate(() => doc.getText('t').insert(doc.getText('t').length, 'tunnel. '))
      shared.doc.getText('t').insert(0, 'agent. ')
      await first.evaluate(() => doc.getMap('m').set('n', 1))
      await until('the first page has it', async () => (await textOf(first)).startsWith('agent. '))
      assert.equal((await textOf(second)).includes('agent'), false)
      await second.evaluate(() => provider.connect())

      const expected = 'agent. page. tunnel. '
      for (const tab of tabs) await until('both pages have all', async () => (await textOf(tab)) === expected)
      await until('the agent has all', () => shared.doc.getText('t').toString() === expected)
      const digests = [
        shared.digest(),
        ...(await Promise.all(tabs.map(tab => tab.evaluate(() => provider.shared.digest())))),
      ]
      assert.equal(new Set(digests).size, 1, 'equal digests')
      for (const tab of tabs) assert.deepEqual(await tab.evaluate(() => provider.shared.status.alerts), [])

      // A tab that was closed and comes again has it from where it keeps things, and what came meanwhile.
      await second.close()
      shared.doc.getText('t').insert(0, 'again: ')
      await shared.flush()
      const later = await browser.newPage()
      await openPage(later, where, 'editor-1')
      await later.evaluate(() => open())
      await until('the new tab has all', async () => (await textOf(later)) === `again: ${expected}`)
      await shared.close()
      for (const tab of [first, later]) await tab.close()
    },
  ],
]
