// @y/websocket-server as its own start file wires it: documents in memory, every change passed on. Prints {"listening":"ws://…"}.
import { setupWSConnection } from '@y/websocket-server/utils'
import { WebSocketServer } from 'ws'

const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
server.on('connection', (socket, request) => setupWSConnection(socket, request))
server.on('listening', () => console.log(JSON.stringify({ listening: `ws://127.0.0.1:${server.address().port}` })))
process.once('SIGTERM', () => process.exit())
process.once('disconnect', () => process.exit())
