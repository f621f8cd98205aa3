// One server, one request, and the end.
import { once } from 'node:events'
import http from 'node:http'

const server = http.createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1')
await once(server, 'listening')
const response = await fetch(`http://127.0.0.1:${server.address().port}`)
await response.text()
server.close()
server.closeAllConnections()
await once(server, 'close')
