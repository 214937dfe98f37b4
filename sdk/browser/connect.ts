import { createConnect } from '../link/connect.ts'
import { browserHost } from './browser-host.ts'

/** Opens one connection. Rejects with RelayUnreachableError. */
export const connect = createConnect(browserHost)
