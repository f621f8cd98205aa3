import { relative, sep } from 'node:path'
import { isOfRuntime } from '../caller.js'
import { codeFrame } from './code-frame.js'
import { nearestPackage } from './how-to-close.js'
import { isUsers } from './package-frame.js'
import { userFrame } from './stack.js'
import type { StackFrame } from './stack-frame.js'
import { isFollowed } from './trace.js'

/** The user's place on a stack: `test/upload.test.ts:14:22`. */
export function placeOf(frames: readonly StackFrame[]): string | undefined {
  const place = userFrame(frames)
  return place && placeName(place)
}

/** The user's place with its function and its source line. */
export function sourceOf(frames: readonly StackFrame[]): string {
  const place = userFrame(frames)
  if (place === undefined) return 'no code of yours was on the stack'
  const opener = isUsers(place) ? undefined : nearestPackage(frames)
  if (opener !== undefined) {
    const next = isFollowed() ? '' : ' (PORTSIDE_TRACE=on finds its line)'
    return `${placeName(opener.frame)} by ${opener.name}; your code was not on the stack${next}`
  }
  const name = place.function === undefined ? '' : ` in ${place.function}`
  return [`${placeName(place)}${name}`, ...codeFrame(place).map((line) => `  ${line}`)].join('\n')
}

/** Without the source line, which the runner shows, unless the place is in a package. */
export const sourceShownByRunner = (frames: readonly StackFrame[]): string =>
  sourceOf(frames).split('\n', 1)[0] as string

const placeName = ({ file, line, column }: StackFrame): string => `${shortened(file)}:${line}:${column}`

/** Relative to the working directory if it is below it, as a test runner shows it. */
export function shortened(file: string): string {
  const path = relative(process.cwd(), file)
  return path.startsWith('..') || isOfRuntime(file) ? file : path.split(sep).join('/')
}
