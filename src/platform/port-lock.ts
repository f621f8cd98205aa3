/**
 * A name for the lock on a port in a name space that forgets it with its holder, however that ends: abstract unix
 * sockets on Linux, one name space for each network namespace as ports have (unix(7), network_namespaces(7)); named
 * pipes on Windows. Undefined where there is no such name space.
 */
export function portLockName(port: number, platform: NodeJS.Platform = process.platform): string | undefined {
  if (platform === 'linux' || platform === 'android') return `\0portside/tcp/${port}`
  if (platform === 'win32') return `\\\\.\\pipe\\portside-tcp-${port}`
  return undefined
}
