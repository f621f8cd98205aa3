// One server, one request, and the end.
import { once } from 'node:events'
import http from 'node:http'
import getPort from 'get-port'
import { createHttpTerminator } from 'http-terminator'

const port = await getPort()
const server = http.createServer((_request, response) => response.end('hello')).listen(port, '127.0.0.1')
await once(server, 'listening')
const terminator = createHttpTerminator({ server })
const response = await fetch(`http://127.0.0.1:${port}`)
await response.text()
await terminator.terminate()
