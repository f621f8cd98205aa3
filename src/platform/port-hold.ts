/**
 * Whether a port can be bound for listening while another socket, which does not listen, is bound to it.
 *
 * Linux lets SO_REUSEADDR, which libuv sets on every TCP socket that it binds, share a port with anything but a listener
 * (socket(7), ip(7)). BSD and macOS let it share only with TIME_WAIT, and on Windows libuv does not set it: there the
 * bound socket has to go first.
 */
export function listensWhileHeld(platform: NodeJS.Platform = process.platform): boolean {
  return platform === 'linux' || platform === 'android'
}
