import { basename } from 'node:path'

/**
 * Why a listening socket cannot be passed to another program as a descriptor; undefined if it can. On Windows a program does not
 * inherit descriptors by number, and libuv cannot listen on a given one
 * (https://nodejs.org/api/net.html#serverlistenhandle-backlog-callback). `server.listen({ fd })` of Deno fails with EINVAL.
 */
export function whyNoDescriptorPassing(
  program: string,
  platform: NodeJS.Platform = process.platform,
): string | undefined {
  if (platform === 'win32') return 'on Windows a program cannot inherit a listening socket by its number'
  if (basename(program) === 'deno') return 'the program is Deno, which cannot listen on a descriptor'
  return undefined
}
