/**
 * Whether a port can be bound for listening while another socket is bound to it and does not listen.
 *
 * libuv sets SO_REUSEADDR on every TCP socket that it binds. On Linux such a socket can share a port with any socket except a listener
 * (socket(7), ip(7)). On BSD and macOS it can share only with TIME_WAIT, and on Windows libuv does not set it: there the bound socket
 * must close first.
 */
export function listensWhileHeld(platform: NodeJS.Platform = process.platform): boolean {
  return platform === 'linux' || platform === 'android'
}
