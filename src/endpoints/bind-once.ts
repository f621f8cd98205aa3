import net from 'node:net'
import { codeOf } from '../errors.js'

/** The code with which a bind fails, or undefined if it succeeds. The listener closes before a client can connect. */
export function bindOnce(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = net.createServer((socket) => socket.destroy())
    server.once('error', (error) => resolve(codeOf(error)))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}
