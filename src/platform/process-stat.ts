import { readFileSync } from 'node:fs'

export interface ProcessStat {
  /** `R`, `S`, `T` for stopped, `Z` for exited without a wait of its parent. */
  readonly state: string | undefined
  readonly parent: number
  readonly session: number
  /** The start time, in ticks since boot. */
  readonly started: string | undefined
}

/**
 * Fields 3, 4, 6 and 22 of /proc/PID/stat (proc_pid_stat(5)). The second field is a name with arbitrary characters. Throws ENOENT
 * or ESRCH if there is no such process.
 */
export function statOf(pid: number): ProcessStat {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0], parent: Number(fields[1]), session: Number(fields[3]), started: fields[19] }
}
