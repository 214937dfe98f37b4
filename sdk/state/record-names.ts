/** Names of an agent's own records. Short, because each event has its name twice. */
export const OWN_RECORD = 's'
export const PRIVATE_RECORD = 'p'
