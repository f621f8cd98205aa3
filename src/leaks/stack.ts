import { existsSync } from 'node:fs'
import { mapped } from './mapped.js'
import { isUsers } from './package-frame.js'
import { unbundled } from './source-map.js'
import type { StackFrame } from './stack-frame.js'
import { pathOf, type Trace } from './trace.js'

/** The frames of a trace, in the user's sources if source maps lead there. */
export function framesOf(trace: Trace | undefined): StackFrame[] {
  return linesOf(trace)
    .flatMap((line) => parseFrame(line) ?? [])
    .map((frame) => {
      const source = unbundled(frame)
      return isUsers(frame) || (!isUsers(source) && existsSync(source.file)) ? source : frame
    })
}

/** The lines of a trace, as the runner would show them. */
export const linesOf = (trace: Trace | undefined): string[] =>
  (trace ?? []).map((line) => {
    const source = mapped(line)
    // The source map of a package may name sources that were not published. Outside of its folder they would look like the user's.
    return line.includes('node_modules') && !source.includes('node_modules') ? line : source
  })

/** The user's frame: the innermost outside of packages, or else the innermost. */
export function userFrame(frames: readonly StackFrame[]): StackFrame | undefined {
  return frames.find(isUsers) ?? frames[0]
}

function parseFrame(line: string): StackFrame | undefined {
  const [, name, place] = /^\s+at (?:async )?(?:(.+?) \()?(.+?)\)?$/.exec(line) ?? []
  const [, file, row, column] = /^(.*):(\d+):(\d+)$/.exec(place ?? '') ?? []
  if (file === undefined) return undefined
  return {
    function: name === undefined || ANONYMOUS.test(name) ? undefined : functionName(name),
    file: file.startsWith('file:') ? pathOf(file) : file,
    line: Number(row),
    column: Number(column),
  }
}

/** `Object.<anonymous>`, `TestContext.<anonymous>`: V8 names the object that the function was called on, not the function. */
const ANONYMOUS = /(?:^|\.)<anonymous>$/

const functionName = (name: string): string => name.replace(/^(?:new |Object\.)/, '').replace(/ \[as .*\]$/, '')
