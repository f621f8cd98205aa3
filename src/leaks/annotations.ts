import { writeSync } from 'node:fs'
import { relative, sep } from 'node:path'
import { MOST_ITEMS } from '../message.js'
import type { SocketLeak } from './socket-leak.js'
import { userFrame } from './stack.js'

/**
 * Marks the lines that opened the leaks in the changes of a pull request. On the standard error output, because a program may read the
 * runner's report from the standard output.
 */
export function annotate(leaks: readonly SocketLeak[], mode: 'fail' | 'warn'): void {
  const lines = annotationsOf(leaks, mode, process.env)
  if (lines.length === 0) return
  try {
    writeSync(2, lines.map((line) => `${line}\n`).join(''))
  } catch {
    // The reader has closed the pipe (EPIPE), or is too slow (EAGAIN).
  }
}

/** https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands */
export function annotationsOf(
  leaks: readonly SocketLeak[],
  mode: 'fail' | 'warn',
  { GITHUB_ACTIONS, GITHUB_WORKSPACE }: NodeJS.ProcessEnv,
): string[] {
  if (GITHUB_ACTIONS !== 'true') return []
  return [...new Set(leaks.flatMap((leak) => annotationOf(leak, mode, GITHUB_WORKSPACE) ?? []))].slice(0, MOST_ITEMS)
}

function annotationOf(leak: SocketLeak, mode: 'fail' | 'warn', root = process.cwd()): string | undefined {
  const frame = userFrame(leak.openedAt)
  if (frame === undefined || frame.file.includes('node_modules')) return undefined
  const level = mode === 'fail' ? 'error' : 'warning'
  const file = relative(root, frame.file).split(sep).join('/')
  const opened =
    leak.redials === undefined ? 'This line opens a socket that is left open' : 'A client of this line reconnects'
  const by = leak.test === undefined ? '' : ` by '${leak.test}'`
  const properties = { file, line: frame.line, col: frame.column, title: 'portside: leak' }
  const named = Object.entries(properties).map(([name, value]) => `${name}=${property(value)}`)
  return `::${level} ${named.join(',')}::${data(`${opened}${by}. Call ${leak.howToClose}.`)}`
}

const data = (text: string): string => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
const property = (value: string | number): string => data(String(value)).replaceAll(':', '%3A').replaceAll(',', '%2C')
