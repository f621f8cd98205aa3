/**
 * Why a listening socket cannot be handed to another program as a descriptor; undefined where it can. Windows has no
 * descriptors that a program inherits by number, and libuv listens on none that it is given
 * (https://nodejs.org/api/net.html#serverlistenhandle-backlog-callback).
 */
export function whyNoDescriptorPassing(platform: NodeJS.Platform = process.platform): string | undefined {
  return platform === 'win32' ? 'on Windows a program cannot inherit a listening socket by its number' : undefined
}
