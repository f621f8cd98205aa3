import { isOfRuntime } from '../caller.js'
import type { StackFrame } from './stack-frame.js'

/** The place of a frame in a package. */
export interface PackageFrame {
  readonly frame: StackFrame
  /** `pg`, `@grpc/grpc-js`. */
  readonly name: string
  /** Below the folder of the package, with slashes: `lib/client.js`. */
  readonly path: string
  /** The folder of the package, as written in the frame. */
  readonly folder: string
}

/**
 * Undefined for a file outside of packages. The innermost `node_modules` counts: a package may have packages of its own, and
 * pnpm has each below `node_modules/.pnpm/pg@8.23.1/node_modules/pg`.
 */
export function packageFrame(frame: StackFrame): PackageFrame | undefined {
  const [, folder, name, path] = IN_PACKAGE.exec(frame.file) ?? []
  if (folder === undefined || name === undefined || path === undefined) return undefined
  return { frame, folder, name: slashed(name), path: slashed(path) }
}

export const isUsers = ({ file }: StackFrame): boolean => !file.includes('node_modules')

/** Whether code of one of these packages opened the socket: the first frame that is not Node's. */
export function isOpenedBy(frames: readonly StackFrame[], packages: ReadonlySet<string>): boolean {
  const frame = frames.find(({ file }) => !isOfRuntime(file))
  return frame !== undefined && packages.has(packageFrame(frame)?.name ?? '')
}

const IN_PACKAGE = /^(.*[/\\]node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+))[/\\](.+)$/
const slashed = (path: string): string => path.replaceAll('\\', '/')
