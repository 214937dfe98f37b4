// Signs a share of a corpus: every `step`-th event from `first` on.
import { createHash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { localSigner } from '#dist/sdk/identity/local-signer.js'
import { draftMessage } from '#dist/sdk/mail/message.js'
import { createSealer } from '#dist/sdk/mail/seal.js'
import { AUTHORS, createMix, dice, SENDERS } from './event-mix.mjs'
import { keyOf, loadSigner } from './sign.mjs'

const { section, count, first, step, newest } = workerData
const sign = await loadSigner()
const lines = []
const seed = createHash('sha256').update(section).digest().readUInt32LE()

/** Sealed messages from a few senders to one agent, as the SDK makes them. */
function mailTo(recipient) {
  const random = dice(seed)
  const bytes = length => Uint8Array.from({ length }, () => Math.floor(random() * 256))
  const senders = Array.from({ length: SENDERS }, (_, n) => keyOf(`${section} sender ${n}`))
  const sealers = senders.map(({ secretKey }) => createSealer(localSigner(secretKey, { bytes })))
  return n => {
    const who = n % senders.length
    const draft = { to: recipient.pubkey, text: `message ${n}: the report is ready`, act: 'inform', public: false }
    return { key: senders[who], template: draftMessage(draft, newest - count + n, sealers[who]) }
  }
}

function notes() {
  const keys = Array.from({ length: AUTHORS }, (_, n) => keyOf(`author ${n}`))
  const mix = createMix({ seed, count, newest, topic: section, keys })
  return n => {
    const { author, template } = mix(n)
    return { key: keys[author], template }
  }
}

const isMail = section.startsWith('mail')
const make = isMail ? mailTo(keyOf(`${section} recipient`)) : notes()
for (let n = 0; n < count; n++) {
  const mine = n % step === first
  // The mix is one sequence: every share goes through all of it.
  const { key, template } = mine || !isMail ? make(n) : {}
  if (mine) lines.push(sign(template, key))
}
parentPort.postMessage(lines)
