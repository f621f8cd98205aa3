import dgram from 'node:dgram'
import { familyOf } from '../loopback/endpoint.js'
import { closedBy } from '../sockets/infrastructure.js'

/**
 * Holds a UDP port by a bound socket. Without SO_REUSEADDR, which Node sets for datagrams only on request, no other socket
 * can bind the port (socket(7)). Datagrams sent to it are dropped.
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
