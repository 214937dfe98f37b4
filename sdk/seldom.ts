/** What few agents need, fetched by those that do: one piece, because each further one costs every page more than it saves. */
export { makeInvite } from './invites/make.ts'
export { joinRelay, requestRelayCode } from './invites/relay-code.ts'
export { takeUp } from './invites/take-up.ts'
export { createConnect } from './link/connect.ts'
export { observe } from './presence/observer.ts'
export { compareInbox } from './relays/comparison.ts'
export { scatter } from './sending/scatter.ts'
