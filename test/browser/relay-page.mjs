// The relay's own page in Chromium, against a real relay with agents, hostile texts and an owner.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { finalizeEvent, getPublicKey } from 'nostr-tools/pure'
import { createRelay } from 'posthorn/relay'
import WebSocket from 'ws'

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
/** Pictures stay here for who wants to look; never committed. */
const PICTURES = join(import.meta.dirname, '.artefacts')
const VIEWS = [
  ['phone-light', { viewport: { width: 360, height: 740 }, colorScheme: 'light' }],
  ['phone-dark', { viewport: { width: 360, height: 740 }, colorScheme: 'dark' }],
  ['desktop-light', { viewport: { width: 1280, height: 900 }, colorScheme: 'light' }],
  ['desktop-dark', { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' }],
]
const HOSTILE = [
  '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>',
  'javascript:window.pwned=1',
  '\u202egnirts\u2066 \u0000\u001b[31mred ig\u00adno\u3164re\ufe0f',
  `${'Ẑ̈'.repeat(400)}${'long'.repeat(2_000)}`,
]

const key = byte => new Uint8Array(32).fill(byte)
const OWNER = key(7)
const now = () => Math.floor(Date.now() / 1_000)

async function publish(url, secretKey, template) {
  const event = finalizeEvent({ created_at: now(), tags: [], content: '', ...template }, secretKey)
  const socket = new WebSocket(url)
  const answer = await new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('message', data => {
      const frame = JSON.parse(String(data))
      if (frame[0] === 'OK') resolve(frame)
    })
    socket.on('open', () => socket.send(JSON.stringify(['EVENT', event])))
  })
  socket.terminate()
  assert.equal(answer[2], true, answer[3])
  return event
}

/** A relay with one awake and one sleeping agent, hostile notes and a sealed message. */
export async function makePageStage(browser, data) {
  const relay = await createRelay({
    data,
    owners: [getPublicKey(OWNER)],
    retention: [{ kinds: [1], maxAgeS: 86_400 * 30 }],
    identity: { name: 'The <b>test</b> relay', description: HOSTILE[0] },
  })
  const url = await relay.listen({ port: 0 })
  const card = (name, description) => JSON.stringify({ name, description, skills: [] })
  const status = value => JSON.stringify({ status: value, activity: HOSTILE[0] })
  await publish(url, key(1), { kind: 14_705, tags: [['t', 'summarise']], content: card('ada', 'reads papers') })
  await publish(url, key(1), { kind: 34_706, tags: [['d', 's']], content: status('online') })
  await publish(url, key(2), { kind: 14_705, content: card(HOSTILE[0], HOSTILE[2]) })
  await publish(url, key(2), { kind: 34_706, tags: [['d', 's']], content: status('offline') })
  for (const content of HOSTILE) await publish(url, key(3), { kind: 1, content })
  await publish(url, key(3), {
    kind: 4_700,
    tags: [
      ['p', getPublicKey(key(1))],
      ['encrypted', 'nip44'],
    ],
    content: 'AAAA',
  })
  return { browser, relay, url, http: url.replace('ws:', 'http:'), close: () => relay.close() }
}

/** Opens the page; whatever it complains of fails the scene. */
async function visit({ browser, http }, options = {}, prepare = async () => {}) {
  const context = await browser.browser().newContext(options)
  const page = await context.newPage()
  const complaints = []
  page.on('pageerror', error => complaints.push(error.message))
  page.on('console', message => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  await prepare(page)
  await page.goto(`${http}/`)
  await page.getByText('connected', { exact: true }).waitFor()
  await page.locator('#events > li:not(.quiet)').first().waitFor()
  await page.locator('#numbers dd').first().waitFor()
  return { page, complaints, close: () => context.close() }
}

/** Signs as a NIP-07 extension would; the key stays outside the page. */
async function installExtension(page, secretKey) {
  await page.exposeFunction('signOutside', template => finalizeEvent(template, secretKey))
  await page.exposeFunction('keyOutside', () => getPublicKey(secretKey))
  await page.addInitScript(() => {
    window.nostr = { getPublicKey: () => window.keyOutside(), signEvent: template => window.signOutside(template) }
  })
}

export const pageScenes = [
  [
    'the relay’s page tells what it is, how to connect, who is awake, what is new; peer text stays text',
    async stage => {
      const { page, complaints, close } = await visit(stage)
      assert.equal(await page.locator('h1').textContent(), 'The <b>test</b> relay')
      assert.equal(
        await page.locator('#ways code').first().textContent(),
        stage.url.replace('127.0.0.1', new URL(stage.http).hostname),
      )
      const agents = await page.locator('#agents > li').allTextContents()
      assert.equal(agents.length, 2)
      assert.match(agents[0], /^ada awake/)
      assert.match(agents[0], /summarise/)
      assert.match(agents[1], /asleep/)
      const events = (await page.locator('#events > li').allTextContents()).join('\n')
      assert.match(events, /sealed, 4 characters/)
      assert.ok(events.includes(HOSTILE[0]))
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not arrive
      assert.doesNotMatch(events, /[\u0000\u001b\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]/u)
      assert.ok(events.length < 5_000, 'long texts are cut')
      assert.equal(await page.evaluate(() => window.pwned), undefined)
      assert.equal(await page.locator('main img, main script').count(), 0)
      // The first numbers may be from before the page’s own connection.
      await page
        .locator('#numbers')
        .filter({ hasText: /connections[1-9]/ })
        .waitFor()
      const live = await publish(stage.url, key(4), { kind: 1, content: 'came while you looked' })
      await page.getByText(live.content).waitFor()
      assert.deepEqual(complaints, [])
      await close()
    },
  ],
  [
    'the page runs nothing but its own files, and can be used by keyboard alone',
    async stage => {
      const { page, close } = await visit(stage)
      const blocked = await page.evaluate(async () => {
        const refused = new Promise(resolve =>
          document.addEventListener('securitypolicyviolation', event => resolve(event.violatedDirective)),
        )
        const script = document.createElement('script')
        script.textContent = 'window.pwned = 1'
        document.head.append(script)
        return [await refused, window.pwned]
      })
      assert.deepEqual(
        blocked,
        ['script-src-elem', null].map(value => value ?? undefined),
      )
      await page.keyboard.press('Tab')
      assert.equal(await page.evaluate(() => document.activeElement?.className), 'skip')
      await page.keyboard.press('Tab')
      assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Copy')
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle)
      assert.equal(outline, 'solid')
      await close()
    },
  ],
  ...VIEWS.map(([name, view]) => [
    `the page at ${name}: nothing overflows, axe finds nothing`,
    async stage => {
      mkdirSync(PICTURES, { recursive: true })
      // What axe needs to get in, this page refuses; the scene above proves that.
      const { page, close } = await visit(stage, { ...view, bypassCSP: true })
      assert.ok(
        await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth),
        'it scrolls sideways',
      )
      await page.addScriptTag({ path: AXE })
      const { violations } = await page.evaluate(() => window.axe.run())
      assert.deepEqual(
        violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`),
        [],
      )
      await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true })
      await close()
    },
  ]),
  [
    'an owner logs in with an extension, bans, unbans, reads retention; a stranger cannot',
    async stage => {
      const { page, close } = await visit(stage, {}, tab => installExtension(tab, OWNER))
      await page.getByRole('button', { name: 'Log in with a Nostr extension' }).click()
      await page.getByText(`logged in as ${getPublicKey(OWNER)}`).waitFor()
      await page.getByText('kinds 1: for 720 hours').waitFor()
      const banned = getPublicKey(key(3))
      await page.getByLabel('Banned keys: public key, 64 hex').fill(banned)
      await page.locator('h3:has-text("Banned keys") + .row button').click()
      await page.getByText('Banned keys (1)').waitFor()
      await assert.rejects(publish(stage.url, key(3), { kind: 1, content: 'after the ban' }), /blocked/)
      await page.getByRole('button', { name: `Remove ${banned} from Banned keys` }).click()
      await page.getByText('Banned keys (0)').waitFor()
      await publish(stage.url, key(3), { kind: 1, content: 'after the pardon' })
      await page.getByLabel('Banned keys: public key, 64 hex').fill('nonsense')
      await page.locator('h3:has-text("Banned keys") + .row button').click()
      await page.getByText('the first parameter is a public key').waitFor()
      await page.getByRole('button', { name: 'Make a code' }).click()
      await page.getByText('this relay has no members to invite').waitFor()
      await close()
      const stranger = await visit(stage, {}, tab => installExtension(tab, key(9)))
      await stranger.page.getByRole('button', { name: 'Log in with a Nostr extension' }).click()
      await stranger.page.getByText('this key does not own this relay').waitFor()
      assert.equal(await stranger.page.locator('#manage > *').count(), 0)
      await stranger.close()
      const bare = await visit(stage)
      await bare.page.getByRole('button', { name: 'Log in with a Nostr extension' }).click()
      await bare.page.getByText('This browser has no Nostr extension').waitFor()
      await bare.close()
    },
  ],
]
