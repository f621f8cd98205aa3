import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { cpuOfChildren, type Lab } from '../lab.js'

/** Milliseconds of a test run, and of the CPU of all its processes where the system tells. */
export interface RunnerTime {
  readonly wall: number
  readonly cpu: number | undefined
}

/** Runs a test runner of the peers, by the path of its program below node_modules; throws if its tests fail. */
export function timeOfRunner(
  lab: Lab,
  program: string | undefined,
  args: readonly string[],
  { cwd, env = {} }: { cwd: string; env?: NodeJS.ProcessEnv },
): RunnerTime {
  const path = program === undefined ? [] : [join(lab.folder, '../node_modules', program)]
  const cpuBefore = cpuOfChildren()
  const begun = performance.now()
  const { status, stdout, stderr } = spawnSync(lab.node, [...path, ...args], {
    cwd,
    env: { ...process.env, NO_COLOR: '1', ...env },
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  })
  const wall = performance.now() - begun
  if (status !== 0) throw new Error(`${[program, ...args].join(' ')} failed:\n${stdout}${stderr}`.slice(-5000))
  const cpu = cpuOfChildren()
  return { wall, cpu: cpu === undefined || cpuBefore === undefined ? undefined : cpu - cpuBefore }
}
