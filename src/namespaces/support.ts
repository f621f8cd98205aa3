import { codeOf, type PortsideError } from '../errors.js'
import { PrivateHost } from './host.js'

/**
 * Whether programs can have private networks here; where not, why.
 * @experimental
 */
export type NamespaceSupport = { readonly supported: true } | { readonly supported: false; readonly reason: string }

/**
 * Asks the kernel by making a private network, once; later calls share the answer. Never rejects. The reason says what stands
 * in the way: another system than Linux, a missing program and its package, a limit, AppArmor, a container.
 * @experimental
 */
export function namespaceSupport(): Promise<NamespaceSupport> {
  answer ??= probe()
  return answer
}

let answer: Promise<NamespaceSupport> | undefined

async function probe(): Promise<NamespaceSupport> {
  try {
    const host = await PrivateHost.start()
    await host.close()
    return { supported: true }
  } catch (error) {
    const { actual, because, message } = error as PortsideError
    // What failed for want of a process or a descriptor may not fail the next time.
    if (codeOf(error) !== 'ERR_PORTSIDE_UNSUPPORTED') answer = undefined
    return { supported: false, reason: because ?? actual ?? message }
  }
}
