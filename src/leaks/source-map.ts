import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { StackFrame } from './stack-frame.js'

/**
 * Maps a frame in a compiled file to its source, if the file names its source map. Runners that compile tests map their stacks themselves:
 * their frames name the sources, which have no source map.
 */
export function unbundled(frame: StackFrame): StackFrame {
  const map = mapOf(frame.file)
  if (map === undefined) return frame
  const { originalSource, originalLine, originalColumn } = map.findEntry(
    frame.line - 1,
    frame.column - 1,
  ) as Partial<Entry>
  if (originalSource === undefined || originalLine === undefined || originalColumn === undefined) return frame
  const file = originalSource.startsWith('file:')
    ? fileURLToPath(originalSource)
    : resolve(dirname(frame.file), originalSource)
  return { ...frame, file, line: originalLine + 1, column: originalColumn + 1 }
}

interface Entry {
  readonly originalSource: string
  readonly originalLine: number
  readonly originalColumn: number
}

const maps = new Map<string, SourceMap | undefined>()

function mapOf(file: string): SourceMap | undefined {
  if (!maps.has(file)) maps.set(file, readMap(file))
  return maps.get(file)
}

function readMap(file: string): SourceMap | undefined {
  try {
    if (!/\.[cm]?js$/.test(file)) return undefined
    const [, url] = [...readFileSync(file, 'utf8').matchAll(/^\/\/# sourceMappingURL=(\S+)\s*$/gm)].at(-1) ?? []
    if (url === undefined) return undefined
    const [, inline] = /^data:application\/json[^,]*;base64,(.*)$/.exec(url) ?? []
    const text =
      inline === undefined ? readFileSync(resolve(dirname(file), url), 'utf8') : Buffer.from(inline, 'base64')
    return new SourceMap(JSON.parse(text.toString()))
  } catch {
    // The map is missing or invalid. The compiled place is better than nothing.
    return undefined
  }
}
