import { seconds, systemClock } from '../../platform/clock.ts'
import { systemRandom } from '../../platform/random.ts'
import { systemTimers } from '../../platform/timers.ts'
import { type CardDraft, checkDraft } from '../card/draft.ts'
import { keptCard } from '../card/kept.ts'
import type { AgentCard } from '../card/shape.ts'
import { createContactBook } from '../contacts/book.ts'
import type { AgentContacts } from '../contacts/index.ts'
import { ContactError } from '../errors.ts'
import type { Signer } from '../identity/signer.ts'
import type { AgentInvites } from '../invites/index.ts'
import { findInvite, listed, readInvites } from '../invites/ledger.ts'
import { makeInvite } from '../invites/make.ts'
import { joinRelay, type RelayDoor, requestRelayCode } from '../invites/relay-code.ts'
import { takeUp } from '../invites/take-up.ts'
import { compositionOf, createCompose } from '../mail/compose.ts'
import { connect } from '../node-host.ts'
import { type PresenceChange, statusOf } from '../orders.ts'
import { encodeStatus } from '../presence/status.ts'
import { checkName } from '../profile-name.ts'
import { announceable, namedTo } from '../relays/lists.ts'
import { relaysIn, resolveRecipient } from '../sending/recipient.ts'
import { homeContacts } from './contacts.ts'
import { fileShelf } from './file-shelf.ts'
import { findBeside } from './find-beside.ts'
import { openHomeSigner } from './home-signer.ts'
import type { OpenKeyOptions } from './key-file.ts'
import { readProfile } from './profile.ts'
import { layOrder } from './spool.ts'

/** The contacts of a home beside its running agent, which is handed every change and makes it within a moment. */
export function contactsBeside(home: string): AgentContacts {
  const shelf = fileShelf(home)
  const resolve = (who: string) => resolveRecipient(who, homeContacts(home))
  return {
    list: () => homeContacts(home),
    find: who => findBeside(home, who),
    add(name, who, { relays = relaysIn(who) } = {}) {
      const pubkey = resolve(who)
      checkName(name)
      if (homeContacts(home).some(each => each.name === name && each.pubkey !== pubkey))
        throw new ContactError('contact-exists', `somebody else is called ${name}; choose another name for them.`)
      layOrder(home, { contact: 'add', name, pubkey, relays })
    },
    remove(who) {
      const pubkey = resolve(who)
      const isListed = createContactBook(shelf, systemClock)
        .list()
        .some(each => each.pubkey === pubkey)
      layOrder(home, { contact: 'remove', pubkey })
      return isListed
    },
    allow: who => layOrder(home, { contact: 'allow', pubkey: resolve(who) }),
    deny: who => layOrder(home, { contact: 'deny', pubkey: resolve(who) }),
  }
}

/** The invites of a home beside its running agent: made and accepted here, recorded there. */
export function invitesBeside(home: string, key: OpenKeyOptions = {}): AgentInvites {
  const clock = systemClock
  const shelf = fileShelf(home)
  const self = () => ({ ...readProfile(home), clock, random: systemRandom })
  async function signing<T>(use: (signer: Signer) => Promise<T>): Promise<T> {
    const signer = await openHomeSigner(readProfile(home), key)
    try {
      return await use(signer)
    } finally {
      await signer.close?.()
    }
  }
  const door = (signer: Signer): RelayDoor => ({ signer, clock, timers: systemTimers, connect })

  return {
    async create({ relayCode = false, ...terms } = {}) {
      const [first = ''] = announceable(self().relays)
      const code = relayCode ? await signing(signer => requestRelayCode(first, door(signer))) : undefined
      const { created, record } = makeInvite(self(), terms, code)
      layOrder(home, { invite: record })
      return created
    },
    async accept(text, { name } = {}) {
      const taken = takeUp(text, { ...self(), contacts: homeContacts(home) }, name)
      const { contact, added, join, body, act, idem, relays } = taken
      const how = { act, idem, contentType: body.contentType }
      const mail = await signing(async signer => {
        if (join) await joinRelay(join.relay, join.claim, door(signer))
        const answerAt = () => namedTo(relays, [...self().relays, ...added])
        const compose = createCompose({ signer, clock, random: systemRandom, answerAt })
        const [signed] = await compose(compositionOf(contact.pubkey, body.text, how, undefined, clock))
        return signed
      })
      layOrder(home, { meet: contact, added, mail })
      return Object.freeze({ id: mail.id, contact, relays })
    },
    list: () => listed(readInvites(shelf), seconds(clock)),
    revoke(id) {
      const found = findInvite(readInvites(shelf), id, seconds(clock))
      if (found) layOrder(home, { revoke: found.hash.slice(0, 16) })
      return found !== undefined
    },
  }
}

/** The card of a home: as it was last kept there, and set beside the running agent, which signs and publishes it. */
export function cardBeside(home: string): { readonly own: AgentCard | undefined; set(draft: CardDraft): AgentCard } {
  const { name, pubkey, relays } = readProfile(home)
  const kept = () => keptCard(fileShelf(home), pubkey)
  return {
    get own() {
      return kept()?.card
    },
    set(draft) {
      const card = checkDraft({ name, pubkey, relays }, kept()?.card, draft)
      layOrder(home, { card: draft })
      return card
    },
  }
}

/** Has the running agent of a home tell others. Throws a RangeError on values out of range. */
export function presenceBeside(home: string, change: PresenceChange): void {
  encodeStatus('', 'online', statusOf(change))
  layOrder(home, { presence: change })
}
