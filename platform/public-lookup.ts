import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { isPublicAddress } from './address-class.ts'

/**
 * Name resolution for addresses that strangers gave: answers with public addresses only. The connection is made to what was
 * checked here, so a name cannot answer differently a second time (DNS rebinding).
 */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    const addresses = error ? [] : found.filter(({ address }) => isPublicAddress(address))
    const [first] = addresses
    if (error) callback(error, '', 0)
    else if (first === undefined) callback(new Error(`${hostname} is not on the public internet`), '', 0)
    else if (options.all) callback(null, addresses)
    else callback(null, first.address, first.family)
  })
}
