import { canonical } from '../loopback/endpoint.js'
import { checkIgnores, type LeakIgnore } from './options.js'
import type { SocketLeak } from './socket-leak.js'
import { framesOf } from './stack.js'
import { takeTrace } from './trace.js'
import { tracker } from './tracker.js'

/**
 * Leaves the running test out of the leak check; called outside of a test, at the top of a file or in a `beforeAll`, the
 * whole file. With rules, only what they say may stay open, and what else does is a leak.
 *
 * Throws ERR_INVALID_ARG_TYPE or ERR_INVALID_ARG_VALUE for rules that are none.
 */
export function ignoreLeaks(...rules: LeakIgnore[]): void {
  const given = checkIgnores(rules)
  const state = tracker()
  const owner = state.ownerNow() ?? state.file
  if (owner !== undefined) {
    owner.ignored = added(owner.ignored, given)
    return
  }
  // No runner has said which file this is: the one that calls.
  const file = framesOf(takeTrace(ignoreLeaks))[0]?.file
  if (file !== undefined) state.ignoredIn.set(file, added(state.ignoredIn.get(file) ?? [], given))
}

function added(before: 'all' | LeakIgnore[], rules: readonly LeakIgnore[]): 'all' | LeakIgnore[] {
  return before === 'all' || rules.length === 0 ? 'all' : [...before, ...rules]
}

/** Whether a rule says that this may stay open. */
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

/** `connect` is `Pool.connect`, too; `Pool.connect` is not `Client.connect`. */
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
