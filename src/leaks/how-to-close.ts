import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { closers, type Way } from './closers.js'
import { isUsers, type PackageFrame, packageFrame } from './package-frame.js'
import type { StackFrame } from './stack-frame.js'

/** The facts about an open socket that decide which call closes it. */
export interface Opened {
  readonly kind: 'client' | 'listener'
  /** Innermost first. */
  readonly openedAt: readonly StackFrame[]
  /** Whether a pool keeps it for the next request. */
  readonly idle?: boolean
}

/** The call that closes the socket of a known package; undefined if no known package opened it. It reads the stack and runs nothing. */
export function howToClose({ kind, openedAt, idle = false }: Opened): string | undefined {
  const frames = openingFrames(openedAt)
  const opener = frames.findLast(({ name }) => closers().get(name)?.[kind] !== undefined)
  if (opener === undefined) return undefined
  const own = frames.filter(({ name }) => name === opener.name)
  return closers()
    .get(opener.name)
    ?.[kind]?.find((way) => fits(way, own, { idle, called: openedAt.some(isUsers) }))?.call
}

/** The frame of the package nearest to the user's code: a known package, or else any. */
export function nearestPackage(openedAt: readonly StackFrame[]): PackageFrame | undefined {
  const frames = openingFrames(openedAt)
  return frames.findLast(({ name }) => closers().has(name)) ?? frames.at(-1)
}

/** The frames of packages up to the user's own. Packages further out have called the user's code, and opened nothing. */
function openingFrames(openedAt: readonly StackFrame[]): PackageFrame[] {
  const [inner, outer] = splitAt(openedAt, isUsers)
  const [, callers] = splitAt(outer, (frame) => !isUsers(frame))
  const [calling] = splitAt(callers, isUsers)
  const pools = packagesOf(calling).filter(({ name }) => closers().get(name)?.callsUser)
  return pools.length > 0 ? pools : packagesOf(inner)
}

/** The frames before the first that fits, and the rest. */
function splitAt(frames: readonly StackFrame[], fits: (frame: StackFrame) => boolean): [StackFrame[], StackFrame[]] {
  const first = frames.findIndex(fits)
  return first === -1 ? [[...frames], []] : [frames.slice(0, first), frames.slice(first)]
}

const packagesOf = (frames: readonly StackFrame[]): PackageFrame[] =>
  frames.flatMap((frame) => packageFrame(frame) ?? [])

function fits(way: Way, frames: readonly PackageFrame[], seen: { idle: boolean; called: boolean }): boolean {
  if ((way.idle && !seen.idle) || (way.called && !seen.called)) return false
  const { on, since } = way
  if (on !== undefined && !frames.some(({ frame, path }) => on.test(`${frame.function ?? ''} ${path}`))) return false
  return since === undefined || (majorOf(frames[0]?.folder) ?? since) >= since
}

/** The major version of a package; undefined if its folder does not exist, as in a mapped stack. */
function majorOf(folder: string | undefined): number | undefined {
  try {
    const { version } = JSON.parse(readFileSync(join(folder as string, 'package.json'), 'utf8')) as {
      version?: unknown
    }
    return Number.parseInt(String(version), 10) || undefined
  } catch {
    return undefined
  }
}
