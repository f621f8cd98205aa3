import { readFileSync } from 'node:fs'

/**
 * Fields 3 and 22 of /proc/PID/stat (proc_pid_stat(5)): what a process does, and when it started, in ticks since boot. The
 * second field is a name that may hold anything. Throws ENOENT or ESRCH if there is no such process.
 */
export function statOf(pid: number): { state: string | undefined; started: string | undefined } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0], started: fields[19] }
}
