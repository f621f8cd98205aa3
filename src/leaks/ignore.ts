import { canonical } from '../loopback/endpoint.js'
import { checkIgnores, type LeakIgnore } from './options.js'
import type { SocketLeak } from './socket-leak.js'
import { framesOf } from './stack.js'
import { takeTrace } from './trace.js'
import { tracker } from './tracker.js'

/**
 * Lets sockets of the running test stay open. Called outside of a test, at the top of a file or in a `beforeAll`, it applies to the file.
 *
 * With rules, only sockets that match one of them may stay open. Without rules, all may.
 *
 * @throws ERR_INVALID_ARG_TYPE if a rule is not an object, or has no valid form
 * @throws ERR_INVALID_ARG_VALUE if a rule has no condition or an invalid one
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if a rule has an unknown property
 * @example
 * ```ts
 * import { ignoreLeaks } from 'portside'
 *
 * ignoreLeaks({ package: 'pg', because: 'its pool ends with the process' })
 * ```
 * @see `docs/leaks.md#rules`
 */
export function ignoreLeaks(...rules: LeakIgnore[]): void {
  const given = checkIgnores(rules)
  const state = tracker()
  const running = state.ownerNow()
  // A hook that belongs to the file has an owner without a name.
  const owner = running?.kind === 'file' && running.file === undefined ? state.file : (running ?? state.file)
  if (owner !== undefined) {
    owner.ignored = added(owner.ignored, given)
    return
  }
  // The runner has not named the file, so it is the file of the caller.
  const file = framesOf(takeTrace(ignoreLeaks))[0]?.file
  if (file !== undefined) state.ignoredIn.set(file, added(state.ignoredIn.get(file) ?? [], given))
}

function added(before: 'all' | LeakIgnore[], rules: readonly LeakIgnore[]): 'all' | LeakIgnore[] {
  return before === 'all' || rules.length === 0 ? 'all' : [...before, ...rules]
}

export function isIgnored(leak: SocketLeak, rules: readonly LeakIgnore[]): boolean {
  return rules.some(
    (rule) =>
      (rule.kind === undefined || rule.kind === leak.kind) &&
      (rule.endpoint === undefined ||
        [leak.local, leak.remote, leak.acceptedBy?.local].some((end) => isAt(rule.endpoint, end))) &&
      (rule.function === undefined ||
        onStack(leak, ({ function: name }) => name !== undefined && named(rule.function, name))) &&
      (rule.package === undefined || onStack(leak, ({ file }) => isIn(rule.package as string, file))),
  )
}

function onStack(leak: SocketLeak, fits: (frame: SocketLeak['openedAt'][number]) => boolean): boolean {
  return [...leak.openedAt, ...(leak.acceptedBy?.openedAt ?? [])].some(fits)
}

/** `connect` matches `Pool.connect` too; `Pool.connect` does not match `Client.connect`. */
function named(wanted: LeakIgnore['function'], name: string): boolean {
  if (typeof wanted === 'string') return name === wanted || name.endsWith(`.${wanted}`)
  return name.search(wanted as RegExp) !== -1
}

function isIn(name: string, file: string): boolean {
  return file.replaceAll('\\', '/').includes(`/node_modules/${name}/`)
}

function isAt(wanted: LeakIgnore['endpoint'], end: SocketLeak['local']): boolean {
  const { address, port, path } = wanted ?? {}
  if (typeof end === 'string') return address === undefined && port === undefined && path === end
  if (end === undefined || path !== undefined) return false
  return (
    (port === undefined || port === end.port) &&
    (address === undefined || canonical(address) === canonical(end.address))
  )
}
