import { npubOf, ownNprofile, type Profile } from '../sdk/index.ts'
import type { Paint } from './output.ts'
import { escapeText } from './text.ts'

/** A profile in `--json`. Public parts only. */
export const profileFields = (profile: Profile) => ({
  name: profile.name,
  npub: npubOf(profile.pubkey),
  nprofile: ownNprofile(profile.pubkey, profile.relays),
  pubkey: profile.pubkey,
  relays: profile.relays,
  ...(profile.discovery ? { discovery: profile.discovery } : {}),
  home: profile.home,
  ...(profile.signer ? { signer: profile.signer } : {}),
})

export const profileText = (profile: Profile, paint: Paint): string =>
  [
    paint.bold(profile.name),
    `  npub   ${npubOf(profile.pubkey)}`,
    `  nprofile ${ownNprofile(profile.pubkey, profile.relays)}`,
    `  hex    ${profile.pubkey}`,
    ...profile.relays.map(relay => `  relay  ${escapeText(relay)}`),
    ...(profile.discovery ?? []).map(url => `  discovery ${escapeText(url)}`),
    `  home   ${escapeText(profile.home)}`,
  ].join('\n')
