/**
 * A name for the lock on a port in a name space that forgets it with its holder, however that ends: abstract unix
 * sockets on Linux, one name space for each network namespace as ports have (unix(7), network_namespaces(7)); named
 * pipes on Windows. Undefined where there is no such name space.
 */
export function portLockName(port: number, platform: NodeJS.Platform = process.platform): string | undefined {
  // As long as such a name can be: libuv before 1.47 (Node 20) fills a shorter one up with NULs, later ones do not, and
  // the two would be different names to the kernel, which compares all of it.
  if (platform === 'linux' || platform === 'android') return `\0portside/tcp/${port}/`.padEnd(LONGEST_ABSTRACT, '-')
  if (platform === 'win32') return `\\\\.\\pipe\\portside-tcp-${port}`
  return undefined
}

/** `sun_path` to its last byte, the NUL at its beginning included (unix(7)). */
const LONGEST_ABSTRACT = 108
