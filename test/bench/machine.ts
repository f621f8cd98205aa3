import { existsSync, readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem, type } from 'node:os'
import { delimiter, join } from 'node:path'

/** The machine that the figures depend on. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memory: string
  readonly kernel: string
  /** Of the last minute, when the run starts. */
  readonly load: number
}

export function thisMachine(): Machine {
  const [first] = cpus()
  return {
    cpu: first?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: `${type()} ${release()}`,
    load: loadavg()[0] ?? 0,
  }
}

/** The command in front of a program that keeps it on one CPU. Empty if the machine has no `taskset`. */
export function pinning(): string[] {
  if (!(process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'taskset')))) return []
  const [, allowed] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  // The last one: interrupts go to the first.
  const last = allowed?.split(/[,-]/).at(-1)
  return last === undefined ? [] : ['taskset', '-c', last]
}
