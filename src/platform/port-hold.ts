/**
 * Whether this system is known to let a listener be bound to a port that a connected client of this process is bound to. Only
 * the kernel knows: `PortSharing` asks it. This is the answer until then, and if it cannot be asked.
 *
 * libuv sets SO_REUSEADDR on every TCP socket that it binds, except on Windows. On Linux such a socket can share a port with any
 * socket except a listener (socket(7), ip(7)). The sources of macOS say the same of a connected socket (xnu, in_pcb.c,
 * `in_pcbbind`), but no test has run there.
 */
export function listensWhileHeld(platform: NodeJS.Platform = process.platform): boolean {
  return platform === 'linux' || platform === 'android'
}
