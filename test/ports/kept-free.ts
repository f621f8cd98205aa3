import { once } from 'node:events'
import net from 'node:net'
import { codeOf } from '../../src/errors.js'
import { LOOPBACK } from '../../src/loopback/endpoint.js'
import { loopbackFamilies } from '../../src/loopback/probe.js'
import { listensWhileHeld } from '../../src/platform/port-hold.js'

/**
 * A port of the loopback addresses that the kernel does not pick meanwhile, and that can still be bound by its number.
 * Bound clients hold it, one for each family, and nothing listens. If nothing can listen on a held port, it is released
 * immediately.
 */
export async function keptFree(): Promise<{ port: number } & AsyncDisposable> {
  const held: Held[] = []
  const release = async (): Promise<void> => {
    for (const { end } of held.splice(0)) await end()
  }
  for (const family of loopbackFamilies()) {
    try {
      held.push(await hold(LOOPBACK[family], held[0]?.port))
    } catch (error) {
      await release()
      // Each family has its own ports: this port is taken on the other family.
      if (codeOf(error) === 'EADDRINUSE') return keptFree()
      throw error
    }
  }
  const port = held[0]?.port as number
  if (!listensWhileHeld()) await release()
  return { port, [Symbol.asyncDispose]: release }
}

interface Held {
  readonly port: number
  end(): Promise<void>
}

async function hold(host: string, localPort: number | undefined): Promise<Held> {
  const sink = net.createServer((socket) => socket.on('error', () => {}).resume()).listen(0, host)
  await once(sink, 'listening')
  const { port } = sink.address() as net.AddressInfo
  const client = net.connect({ host, port, localAddress: host, ...(localPort === undefined ? {} : { localPort }) })
  const end = async (): Promise<void> => {
    client.resetAndDestroy()
    await once(sink.close(), 'close')
  }
  try {
    await once(client, 'connect')
  } catch (error) {
    await end()
    throw error
  }
  client.on('error', () => {})
  return { port: client.localPort as number, end }
}
