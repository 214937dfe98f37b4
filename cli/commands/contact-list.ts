import { npubOf, siblingContacts } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { chosenProfile } from '../profile.ts'
import { withMailbox } from '../profile-mail.ts'
import { escapeText } from '../text.ts'

interface Known {
  readonly name?: string
  readonly pubkey: string
  readonly standing: 'contact' | 'machine' | 'allowed' | 'denied'
}

/** `posthorn contact list`: whom the profile knows, and what was decided about others. */
export const contactList: Command<'contact list'> = context =>
  withMailbox(
    context,
    ({ contacts, strangers }) => {
      const { out, options, env } = context
      const { home, pubkey: self } = chosenProfile(options, env)
      const beside = new Set(siblingContacts(home).map(({ pubkey }) => pubkey))
      const named = contacts
        .list()
        .filter(({ pubkey }) => pubkey !== self)
        .map((each): Known => ({ ...each, standing: beside.has(each.pubkey) ? 'machine' : 'contact' }))
      const judged = strangers().flatMap(({ pubkey, verdict }): Known[] =>
        verdict === undefined || named.some(each => each.pubkey === pubkey)
          ? []
          : [{ pubkey, standing: verdict === 'accepted' ? 'allowed' : 'denied' }],
      )
      const all = [...named, ...judged]
      const width = Math.max(0, ...all.map(({ name = '' }) => name.length))
      for (const { name, pubkey, standing } of all) {
        const npub = npubOf(pubkey)
        const line = `${escapeText(name ?? '-').padEnd(width)}  ${npub}  ${standing}`
        out.result(line, { ...(name === undefined ? {} : { name }), npub, pubkey, standing })
      }
      if (all.length > 0) return EXIT.ok
      out.say('no contacts yet: posthorn contact add, or posthorn invite create')
      return EXIT.empty
    },
    { reads: true },
  )
