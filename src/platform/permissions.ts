import { portsideError } from '../errors.js'

// The permission model of Node: https://nodejs.org/api/permissions.html. Bun and Deno have no `process.permission`.

/** A right that `process.permission.has()` knows. */
export type Right = 'net' | 'child' | 'worker' | 'fs.read' | 'fs.write'

const FLAGS: Readonly<Record<Right, string>> = {
  net: '--allow-net',
  child: '--allow-child-process',
  worker: '--allow-worker',
  'fs.read': '--allow-fs-read',
  'fs.write': '--allow-fs-write',
}

/** `permission` of ERR_ACCESS_DENIED. */
const RIGHTS: Readonly<Record<string, Right>> = {
  Net: 'net',
  ChildProcess: 'child',
  WorkerThreads: 'worker',
  FileSystem: 'fs.read',
  FileSystemRead: 'fs.read',
  FileSystemWrite: 'fs.write',
}

interface Rights {
  readonly permission?: { has(right: string): boolean } | undefined
  readonly allowedNodeEnvironmentFlags: { has(flag: string): boolean }
}

/** The flag that this process lacks for a right. Undefined if it has the right, or if this version of Node does not restrict it. */
export function missingFlag(right: Right, of: Rights = process): string | undefined {
  if (of.permission === undefined || of.permission.has(right)) return undefined
  // Node before 25 does not restrict the network, and `has('net')` is false there too.
  const flag = FLAGS[right]
  return of.allowedNodeEnvironmentFlags.has(flag) ? flag : undefined
}

/** The flag for which an ERR_ACCESS_DENIED of Node asks. Undefined for another error. */
export function flagOfDenial(error: unknown): string | undefined {
  const { code, permission } = (error ?? {}) as { code?: unknown; permission?: unknown }
  const right = code === 'ERR_ACCESS_DENIED' && typeof permission === 'string' ? RIGHTS[permission] : undefined
  return right && FLAGS[right]
}

/** The cause of a denial, for a message. */
export const whyDenied = (flag: string): string => `Node runs with --permission and without ${flag}`

/** The fix of a denial, for a message. */
export const allowWith = (flag: string): string => `start Node with ${flag}, or without --permission`

/**
 * Throws ERR_ACCESS_DENIED if this process lacks the right. portside asks before it listens, because Node throws that error from a tick
 * in which only an 'uncaughtException' handler can catch it.
 */
export function refuseDenied(right: Right, asked: string): void {
  const flag = missingFlag(right)
  if (flag === undefined) return
  throw portsideError('ERR_ACCESS_DENIED', {
    headline: `Cannot ${asked}: ERR_ACCESS_DENIED`,
    because: whyDenied(flag),
    next: allowWith(flag),
  })
}
