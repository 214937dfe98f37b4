import { createConnect } from '../link/connect.ts'
import { createRemoteSigner } from '../remote-signer/index.ts'
import { browserHost } from './browser-host.ts'

/** Opens one connection. Rejects with RelayUnreachableError. */
export const connect = createConnect(browserHost)

/** Connects to a remote signer (NIP-46). Rejects with SignerError. */
export const remoteSigner = createRemoteSigner(browserHost)
