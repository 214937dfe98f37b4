// @nostr-relay/core as its documentation wires it: ws, its validator, its SQLite repository. It verifies every event and
// stores it in a file. `node nostr-relay.mjs <folder>` prints {"listening":"ws://…"}.
import { join } from 'node:path'
import { createOutgoingNoticeMessage, LogLevel } from '@nostr-relay/common'
import { NostrRelay } from '@nostr-relay/core'
import { EventRepositorySqlite } from '@nostr-relay/event-repository-sqlite'
import { Validator } from '@nostr-relay/validator'
import { WebSocketServer } from 'ws'

const repository = new EventRepositorySqlite(join(process.argv[2], 'events.db'))
await repository.init()
const relay = new NostrRelay(repository, { logLevel: LogLevel.ERROR })
const validator = new Validator()
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })

server.on('connection', socket => {
  relay.handleConnection(socket)
  socket.on('message', async data => {
    try {
      await relay.handleMessage(socket, await validator.validateIncomingMessage(data))
    } catch (error) {
      if (error instanceof Error) socket.send(JSON.stringify(createOutgoingNoticeMessage(error.message)))
    }
  })
  socket.on('close', () => relay.handleDisconnect(socket))
  socket.on('error', () => relay.handleDisconnect(socket))
})
server.on('listening', () => console.log(JSON.stringify({ listening: `ws://127.0.0.1:${server.address().port}` })))

const stop = async () => {
  for (const socket of server.clients) socket.terminate()
  server.close()
  await repository.destroy()
  process.exit()
}
process.once('SIGTERM', stop)
process.once('disconnect', stop)
