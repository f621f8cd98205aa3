import { patch } from '../platform/patches.js'
import { type Runtime, runtime } from '../platform/runtime.js'
import { processState } from '../process-state.js'
import type { SocketDescriptor } from '../socket-table/socket-descriptors.js'

/**
 * Notes the ports that `fetch` of Deno connects to. Its pool is in native code: no channel of diagnostics reports its connections, and
 * nothing shows whether one is idle. So every connection to such a port counts as one that the pool keeps.
 */
export function followFetch(of: Runtime = runtime(), holder: FetchHolder = globalThis): void {
  if (of !== 'Deno') return
  const { ports } = noted()
  const note = (input: unknown): void => {
    const url = textOf(input)
    if (URL.canParse(url)) ports.add(portOf(new URL(url)))
  }
  patch(
    holder,
    'fetch',
    (fetch) =>
      function (this: unknown, ...args) {
        note(args[0])
        return Reflect.apply(fetch, this, args)
      } as typeof fetch,
    'fetch of Deno does not report its connections',
  )
}

interface FetchHolder {
  fetch: typeof fetch
}

/** Whether the pool of `fetch` may keep a connection that no object of Node explains. */
export const isOfFetch = ({ state, remote }: Pick<SocketDescriptor, 'state' | 'remote'>): boolean =>
  state !== 'LISTEN' && remote !== undefined && noted().ports.has(remote.port)

/** Whether `fetch` has connected to a port. */
export const isFetched = (port: number | undefined): boolean => port !== undefined && noted().ports.has(port)

const noted = (): { readonly ports: Set<number> } => processState('leaks.fetched', () => ({ ports: new Set<number>() }))

const portOf = ({ port, protocol }: URL): number => (port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port))

/** A request, a URL, or its text. */
function textOf(input: unknown): string {
  try {
    return String((input as Partial<Request> | null | undefined)?.url ?? input)
  } catch {
    // fetch() throws for it.
    return ''
  }
}
