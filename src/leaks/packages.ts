import { fileOf } from '../caller.js'
import type { Trace } from './stack.js'

/** The packages on a stack, innermost first: `ioredis`, `@redis/client`. */
export function packagesOf(trace: Trace): Set<string> {
  return new Set(trace.flatMap((line) => packageOf(fileOf(line) ?? '') ?? []))
}

/** The package that a file belongs to; the innermost of nested ones. */
export function packageOf(file: string): string | undefined {
  return /.*[/\\]node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+)[/\\]/.exec(file)?.[1]?.replaceAll('\\', '/')
}
