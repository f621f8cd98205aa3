import { once } from 'node:events'
import net from 'node:net'
import { listensWhileHeld } from '../../src/platform/port-hold.js'
import { HERE } from '../support/here.js'

/**
 * A port of 127.0.0.1 that the kernel gives to nobody meanwhile, and that whoever asks for it by its number can have: a
 * client which is bound to it holds it, and nobody listens. Where that is in the way of listeners, it is let go at once.
 */
export async function keptFree(): Promise<{ port: number } & AsyncDisposable> {
  const sink = net.createServer((socket) => socket.on('error', () => {}).resume()).listen(0, HERE)
  await once(sink, 'listening')
  const { port } = sink.address() as net.AddressInfo
  const client = net.connect({ host: HERE, port, localAddress: HERE }).on('error', () => {})
  await once(client, 'connect')
  const kept = client.localPort as number
  const release = async (): Promise<void> => {
    client.resetAndDestroy()
    await once(sink.close(), 'close')
  }
  if (!listensWhileHeld()) await release()
  return { port: kept, [Symbol.asyncDispose]: listensWhileHeld() ? release : async () => {} }
}
