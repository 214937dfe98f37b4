import { basename } from 'node:path'
import type { CliHost } from '../context.ts'
import { escapeLine } from '../text.ts'
import type { Fitting, LocalWords } from './words.ts'

/** Messages offered, newest first. */
const MESSAGES = 20
const TEXT_WIDTH = 50
const SHORT_ID = 8

/** What this machine knows. Nobody is asked, nothing changed; what cannot be read is no completion, and no complaint. */
export const localWords =
  (env: CliHost['env']): LocalWords =>
  async (kind, profile) => {
    try {
      // Loaded by who has something to look up: most completions are of verbs and options.
      const sdk = await import('../../sdk/index.ts')
      const { chosenHome, chosenProfile } = await import('../profile.ts')
      const { homeContacts } = await import('../../sdk/home/contacts.ts')
      const home = () => chosenHome(profile, env)
      switch (kind) {
        case 'profile':
          return sdk
            .listProfiles(sdk.profilesRoot(env))
            .map(({ home: folder, pubkey }) => ({ word: basename(folder), help: sdk.npubOf(pubkey) }))
        case 'who':
        case 'contact':
          return homeContacts(home()).map(({ name, pubkey }): Fitting => ({ word: name, help: sdk.npubOf(pubkey) }))
        case 'relay':
          return chosenProfile(profile, env).relays.map(word => ({ word, help: '' }))
        case 'message': {
          const view = sdk.readHome(home())
          try {
            return view
              .inbox({ limit: MESSAGES })
              .reverse()
              .map(({ id, from, fromName, text }) => ({
                word: id.slice(0, SHORT_ID),
                help: `${escapeLine(fromName ?? sdk.npubOf(from).slice(0, 12))}: ${escapeLine(text, TEXT_WIDTH)}`,
              }))
          } finally {
            view.close()
          }
        }
        default:
          return kind satisfies never
      }
    } catch {
      return []
    }
  }
