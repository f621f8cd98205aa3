import { spawnSync } from 'node:child_process'
import { node } from './program.js'

// A user without any privilege. Portside is loaded before: the checkout is perhaps not everybody's to read.

const BECOME = 'process.setgroups([]); process.setgid(65_534); process.setuid(65_534)'

/** Why no program can be run as nobody here; undefined where one can. Asked by doing it. */
export const whyNotNobody: string | undefined = probe()

/** ES module code that has `portside` loaded, and runs as nobody from there on. */
export function asNobody(code: string): string {
  return `const portside = await import(process.env.PORTSIDE)\n${BECOME}\n${code}`
}

/** Runs it to its end, and gives what it printed. */
export function runAsNobody(code: string): string {
  const [program, ...args] = node(asNobody(code))
  const { stdout, stderr, status } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stdout
}

function probe(): string | undefined {
  const { status, stderr } = spawnSync(process.execPath, ['--eval', BECOME], { encoding: 'utf8' })
  return status === 0 ? undefined : `this process cannot become another user: ${/^.*Error.*$/m.exec(stderr)?.[0]}`
}
