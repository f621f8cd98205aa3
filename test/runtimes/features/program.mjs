import http from 'node:http'
import process from 'node:process'

if (process.env.FAILS) {
  console.error('cannot start')
  process.exit(3)
}
const server = http.createServer((_request, response) => response.end('program'))
if (process.env.LISTEN_FDS) server.listen({ fd: 3 })
else server.listen(Number(process.env.PORT), process.env.HOST ?? '127.0.0.1')
