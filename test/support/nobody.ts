import { spawnSync } from 'node:child_process'
import { node } from './program.js'

// A user without privileges. The program loads portside first, because this user may not be allowed to read the checkout.

const BECOME = 'process.setgroups([]); process.setgid(65_534); process.setuid(65_534)'

/** Why a program cannot run as `nobody` here. Undefined if it can, which is tested by running one. */
export const whyNotNobody: string | undefined = probe()

/** ES module code that loads `portside` and then runs as `nobody`. */
export function asNobody(code: string): string {
  return `const portside = await import(process.env.PORTSIDE)\n${BECOME}\n${code}`
}

/** Runs it until it exits. Resolves to its output. */
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
