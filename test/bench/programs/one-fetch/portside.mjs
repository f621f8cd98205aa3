// One server, one request, and the end.
import { listenHttp } from 'portside'

const server = await listenHttp((_request, response) => response.end('hello'))
const response = await fetch(server.url)
await response.text()
await server.close()
