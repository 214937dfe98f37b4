import type { Asker } from '../log/asker.ts'
import type { Sender } from './policy.ts'
import { chargedAs, originOf } from './rates.ts'

/** A question of this sender, asked over `connection` and dropped once `left` is true. */
export const askerOf = (sender: Sender, connection: object, left: () => boolean): Asker => ({
  connection,
  owner: chargedAs(sender),
  origin: originOf(sender.address),
  peer: sender.unthrottled === true ? 'local' : sender.keys.length > 0 ? 'key' : 'address',
  left,
  readerMs: 0,
})
