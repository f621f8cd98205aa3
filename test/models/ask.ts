import net from 'node:net'

/** The bytes that a program sends until it closes, or the message of the error. */
export function ask({ address, port }: { readonly address: string; readonly port: number }): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = net.connect({ host: address, port })
    socket.setEncoding('utf8').on('data', (more: string) => {
      text += more
    })
    socket
      .once('close', () => resolve(text))
      .on('error', (error) => {
        text ||= error.message
      })
  })
}
