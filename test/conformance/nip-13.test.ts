import { saneDefaults } from 'posthorn/relay'
import { expect } from 'vitest'
import type { Person } from '../helpers/events.ts'
import { nip } from './rules.ts'

const { rule } = nip('13', { policy: saneDefaults({ minPow: 8 }) })

const zeroBits = (id: string): number => {
  const bits = [...id].map(digit => Number.parseInt(digit, 16).toString(2).padStart(4, '0')).join('')
  return bits.indexOf('1') === -1 ? 256 : bits.indexOf('1')
}
/** Mines by signing: about 2^bits signatures, so targets are low. */
function mine(who: Person, created_at: number, fits: (bits: number) => boolean, commit?: number) {
  for (let nonce = 0; ; nonce += 1) {
    const tag = commit === undefined ? ['nonce', `${nonce}`] : ['nonce', `${nonce}`, `${commit}`]
    const event = who.sign({ created_at, tags: [tag] })
    if (fits(zeroBits(event.id))) return event
  }
}

rule('an event with too few leading zero bits is refused with `pow:`', async ({ open, alice, now }) => {
  const event = mine(alice, now, bits => bits < 8, 8)
  expect(await (await open()).refused(event)).toMatch(/^pow: /)
})

rule('work counts only if the nonce tag commits to the target: luck does not', async ({ open, alice, now }) => {
  const client = await open()
  const work = mine(alice, now, bits => bits >= 8, 8)
  await client.store(work)
  expect(await client.refused(mine(alice, now, bits => bits >= 8, 4))).toMatch(/^pow: /)
})

rule('the demand is told in NIP-11 as limitation.min_pow_difficulty', async ({ httpUrl }) => {
  const about = await (await fetch(httpUrl, { headers: { accept: 'application/nostr+json' } })).json()
  expect(about.limitation.min_pow_difficulty).toBe(8)
  expect(about.supported_nips).toContain(13)
})
