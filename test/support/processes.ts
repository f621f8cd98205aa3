import { readdirSync, readFileSync } from 'node:fs'

/** The processes with a text in their environment, which their children inherit (proc(5), on Linux). */
export function pidsWith(mark: string): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Boolean)
  return pids.filter((pid) => environmentOf(pid).includes(mark))
}

function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
  } catch {
    // The process has exited, or belongs to another user.
    return ''
  }
}
