import { codeOf, type PortsideError } from '../errors.js'
import { PrivateHost } from './host.js'

/**
 * Whether private networks are possible here, or the reason why not.
 * @experimental
 */
export type NamespaceSupport = { readonly supported: true } | { readonly supported: false; readonly reason: string }

/**
 * Finds out whether private networks are possible here, by making one. It asks once per process, and never rejects.
 *
 * The reason says what prevents them: another system than Linux, a missing program and its package, a limit, AppArmor, a
 * container. Use it to skip a test.
 *
 * @example
 * ```ts
 * import { namespaceSupport } from 'portside'
 * import { expect } from 'vitest'
 *
 * const support = await namespaceSupport()
 * if (!support.supported) expect(support.reason).not.toBe('')
 * ```
 * @see `docs/private-networks.md#namespacesupport`
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
    // A failure by lack of processes or descriptors may not happen again.
    if (codeOf(error) !== 'ERR_PORTSIDE_UNSUPPORTED') answer = undefined
    return { supported: false, reason: because ?? actual ?? message }
  }
}
