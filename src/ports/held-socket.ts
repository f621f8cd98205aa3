import dgram from 'node:dgram'
import { familyOf } from '../loopback/endpoint.js'
import { closedBy } from '../sockets/infrastructure.js'

/**
 * A UDP port held by a bound socket: without SO_REUSEADDR, which Node sets for datagrams only when asked, nobody else
 * can bind it (socket(7)), not even by number. Whatever is sent to it meanwhile is dropped.
 */
export function holdSocket(address: string, port: number, howToClose: string | undefined): Promise<dgram.Socket> {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket(familyOf(address) === 'IPv6' ? 'udp6' : 'udp4')
    closedBy(socket, howToClose)
    const failed = (error: Error): void => {
      socket.close()
      reject(error)
    }
    socket.once('error', failed)
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', failed)
      resolve(socket.unref())
    })
  })
}

export function closeSocket(socket: dgram.Socket): Promise<void> {
  return new Promise((resolve) => void socket.close(() => resolve()))
}
