// The SDK in browsers: what a page loads, and how it behaves in headless Chromium against a real relay. Needs a built dist/.
// Usage: node test/browser/check.mjs [--report FILE]
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bundle, bundleAgent, bundleAll, LIMIT_BYTES } from './bundle.mjs'
import { findChromium, openBrowser } from './chromium.mjs'
import { docScenes } from './doc-scenes.mjs'
import { makePageStage, pageScenes } from './relay-page.mjs'
import { makeStage, scenes } from './scenes.mjs'
import { serve } from './site.mjs'

const { values: flags } = parseArgs({ options: { report: { type: 'string' } } })
const tally = { passed: 0, failed: 0 }

async function check(name, run) {
  const started = performance.now()
  const took = () => `${((performance.now() - started) / 1000).toFixed(1)} s`
  try {
    const said = await run()
    tally.passed += 1
    console.log(`ok    ${name} (${took()})${said === undefined ? '' : `: ${said}`}`)
  } catch (error) {
    tally.failed += 1
    console.log(
      `FAIL  ${name} (${took()})\n      ${String(error?.stack ?? error)
        .trim()
        .replaceAll('\n', '\n      ')}`,
    )
  }
}

await check(`nothing of a server in a page, at most ${LIMIT_BYTES / 1024} KB gzipped`, async () => {
  const [{ bytes, gzip, later }, all] = [await bundleAgent(), await bundleAll()]
  const kb = size => `${(size / 1024).toFixed(1)} KB`
  const onDemand = later.map(chunk => `${chunk.name} ${kb(chunk.gzip)}`).join(', ')
  const size = `${kb(gzip)} gzipped, ${kb(bytes)} before; on demand ${onDemand}; with everything exported ${kb(all.gzip)}`
  if (gzip > LIMIT_BYTES) throw new Error(`too large: ${size}`)
  return size
})

const chromium = findChromium()
if (chromium.path === undefined) console.log(`skip  agents in a browser: ${chromium.missing}`)
else await inBrowser(chromium.path)

async function inBrowser(path) {
  const work = mkdtempSync(join(tmpdir(), 'posthorn-browser-'))
  const { files } = await bundle(
    `import * as posthorn from 'posthorn'\nimport * as posthornDoc from 'posthorn/doc'\nimport * as yjs from 'yjs'\nObject.assign(globalThis, { posthorn, posthornDoc, yjs })`,
  )
  const site = await serve({
    '/': {
      type: 'text/html',
      body: '<!doctype html><title>phone</title><script type="module" src="/page.js"></script>',
    },
    '/page.js': { type: 'text/javascript', body: `import './${[...files.keys()][0]}'` },
    ...Object.fromEntries([...files].map(([name, body]) => [`/${name}`, { type: 'text/javascript', body }])),
  })
  const browser = await openBrowser(path, join(work, 'chromium'))
  const stage = await makeStage(browser, site.url, join(work, 'relay'))
  const play = async (list, on) => {
    for (const [name, run] of list) {
      await check(`Chromium ${browser.browser()?.version() ?? ''}: ${name}`, () => run(on))
      await stage.tidy()
    }
  }
  let pageStage
  try {
    await play([...scenes, ...docScenes], stage)
    // Not before: who is awake there would have fallen silent.
    pageStage = await makePageStage(browser, join(work, 'page-relay'))
    await play(pageScenes, pageStage)
  } finally {
    await pageStage?.close()
    await browser.close()
    await stage.close()
    site.close()
    rmSync(work, { recursive: true, force: true, maxRetries: 3 })
  }
}

console.log(`browser: ${tally.passed} passed, ${tally.failed} failed`)
if (flags.report !== undefined) writeFileSync(flags.report, JSON.stringify(tally))
process.exitCode = tally.failed === 0 ? 0 : 1
