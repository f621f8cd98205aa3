import { readdirSync, readFileSync } from 'node:fs'

/** Those who run with a text in their environment, which goes to all that they start (proc(5), on Linux). */
export function pidsWith(mark: string): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Boolean)
  return pids.filter((pid) => environmentOf(pid).includes(mark))
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
  } catch {
    // It has ended, or is somebody else's.
    return ''
  }
}
