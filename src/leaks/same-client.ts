import { nearestPackage } from './how-to-close.js'
import { isUsers, packageFrame } from './package-frame.js'
import type { SocketLeak } from './socket-leak.js'

/**
 * A driver may open further connections of a client on its own, with neither the user's code nor a library between the two on the stack.
 * The call that closes the user's connection closes these too: in the same test, by the same package, to the same address.
 */
export function closedTogether<T extends { readonly leak: SocketLeak }>(described: readonly T[]): T[] {
  const calls = new Map<string, string>()
  for (const { leak } of described) {
    if (!isClient(leak) || !leak.openedAt.some(isUsers)) continue
    for (const name of new Set(leak.openedAt.map((frame) => packageFrame(frame)?.name))) {
      const key = keyOf(leak, name)
      if (!calls.has(key)) calls.set(key, leak.howToClose)
    }
  }
  if (calls.size === 0) return [...described]
  return described.map((each) => {
    const { leak } = each
    if (!isClient(leak) || leak.openedAt.length === 0 || leak.openedAt.some(isUsers)) return each
    const call = calls.get(keyOf(leak, nearestPackage(leak.openedAt)?.name))
    return call === undefined ? each : { ...each, leak: { ...leak, howToClose: call } }
  })
}

/** Not connections of http and undici: these belong to requests. */
const isClient = ({ kind, request }: SocketLeak): boolean => kind === 'client' && request === undefined

const keyOf = ({ test, file, remote }: SocketLeak, name: string | undefined): string =>
  JSON.stringify([test, file, remote, name])
