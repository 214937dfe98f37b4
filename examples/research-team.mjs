// A team: a lead delegates to two researchers, hands their findings to a critic, and answers whoever asked.
// One researcher sleeps when the work comes, one fails at first; neither is the lead's business.
//   node examples/research-team.mjs
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openAgent } from 'posthorn'
import { createRelay } from 'posthorn/relay'

const relay = await createRelay()
const relays = [await relay.listen({ port: 0 })]
const folder = mkdtempSync(join(tmpdir(), 'posthorn-example-'))
const open = name => openAgent({ home: join(folder, name), relays })

const user = await open('user')

// In a program of your own each of these is a process of its own, and a model does the work.
const library = await open('library')
library.handle('delegate', ({ text }) => `three papers on ${text}`)

const web = await open('web')
let tries = 0
web.handle('delegate', ({ text }) => {
  tries += 1
  if (tries === 1) throw new Error('the search engine timed out') // tried again by itself, three times at most
  return `forty pages about ${text}`
})
const critic = await open('critic')
critic.handle('query', ({ text }) => ({ verdict: 'sound', of: JSON.parse(text).length })) // an object travels as JSON

const lead = await open('lead')
lead.handle('request', async ({ text, signal }) => {
  const findings = await Promise.all(
    ['library', 'web'].map(name => lead.ask(name, text, { act: 'delegate', timeout: 60_000, signal })),
  )
  const review = await lead.ask('critic', JSON.stringify(findings.map(finding => finding.text)), {
    act: 'query',
    signal,
  })
  const { verdict, of } = JSON.parse(review.text)
  return [...findings.map(({ fromName, text }) => `${fromName}: ${text}`), `critic: ${of} findings, ${verdict}`].join(
    '\n',
  )
})

// The library is asleep when the question comes, and wakes a moment later.
await library.close()
const answer = user.ask('lead', 'bees', { timeout: 60_000 })
const awake = await open('library')
awake.handle('delegate', ({ text }) => `three papers on ${text}`)

console.log((await answer).text)
for (const agent of [user, lead, critic, web, awake]) await agent.close()
await relay.close()
