/**
 * Why a listening socket cannot be passed to another program as a descriptor; undefined if it can. On Windows a program does not
 * inherit descriptors by number, and libuv cannot listen on a given one
 * (https://nodejs.org/api/net.html#serverlistenhandle-backlog-callback).
 */
export function whyNoDescriptorPassing(platform: NodeJS.Platform = process.platform): string | undefined {
  return platform === 'win32' ? 'on Windows a program cannot inherit a listening socket by its number' : undefined
}
