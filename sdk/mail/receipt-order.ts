import type { Delivery, Receipt, ReceiptState } from './types.ts'

export const RECEIPT_STATES: readonly ReceiptState[] = ['received', 'working', 'done', 'failed', 'rejected']

export const isReceiptState = (text: string | undefined): text is ReceiptState =>
  (RECEIPT_STATES as readonly (string | undefined)[]).includes(text)

/** Nothing that is not terminal comes after these. */
export const isTerminal = (state: ReceiptState): boolean => state !== 'received' && state !== 'working'

/** Terminal beats non-terminal, later beats earlier; within a second `working` beats `received`, then the higher id. Negative if `a` gives way to `b`. */
export function compareReceipts(a: Receipt, b: Receipt): number {
  const terminal = Number(isTerminal(a.state)) - Number(isTerminal(b.state))
  if (terminal !== 0) return terminal
  if (a.at !== b.at) return a.at - b.at
  const begun = Number(a.state === 'working') - Number(b.state === 'working')
  if (begun !== 0) return begun
  return a.id < b.id ? -1 : Number(a.id > b.id)
}

/** One receipt per state, the one that counts among its equals; in the order in which they beat each other. */
export function withReceipt(known: readonly Receipt[], receipt: Receipt): readonly Receipt[] {
  const same = known.find(({ state }) => state === receipt.state)
  if (same && compareReceipts(same, receipt) >= 0) return known
  return [...known.filter(other => other !== same), receipt].sort(compareReceipts)
}

/** What the sender is told: the recipient's word over the relays', and over a deadline that passed meanwhile only if it is terminal. */
export function deliveryWith(
  base: Delivery,
  receipts: readonly Receipt[],
  deadline: { readonly expires: number | undefined; readonly nowMs: number },
): Delivery {
  const told = receipts.at(-1)
  const over = deadline.expires !== undefined && deadline.expires * 1000 <= deadline.nowMs
  if (over && base.state !== 'refused' && !(told && isTerminal(told.state))) return Object.freeze({ state: 'expired' })
  if (!told) return base
  const place =
    base.state === 'stored' ? { relay: base.relay, ...(base.seq === undefined ? {} : { seq: base.seq }) } : {}
  return Object.freeze({
    state: told.state,
    at: told.at,
    ...(told.text === undefined ? {} : { reason: told.text }),
    ...place,
  })
}
