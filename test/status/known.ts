import type { World } from './world.ts'

/** A fault of the product that is known and open: counted, printed, and never a reason to hold less. */
interface Known {
  readonly fault: RegExp
  readonly what: string
}

export const KNOWN: readonly Known[] = []

const openFault = (fault: string) => KNOWN.find(each => each.fault.test(fault))

export const isKnown = (fault: string): boolean => openFault(fault) !== undefined

/** Notes a fault: an open one beside the others, so that a history goes on past it. */
export function note(world: World, fault: string): void {
  const known = openFault(fault)
  if (known) world.known.set(known.what, (world.known.get(known.what) ?? 0) + 1)
  else world.faults.push(fault)
}
