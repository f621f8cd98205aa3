import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { TRANSPILED } from '../support/program.js'

/** The command line, built from the sources. */
export const PORTSIDE = fileURLToPath(new URL('cli/main.js', TRANSPILED))

export interface Ended {
  readonly stdout: string
  readonly stderr: string
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export function start(args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  return spawn(process.execPath, [PORTSIDE, ...args], { stdio: ['ignore', 'pipe', 'pipe'], ...options })
}

/** Runs it until it exits. */
export async function portside(...args: string[]): Promise<Ended> {
  return ended(start(args))
}

export async function ended(child: ChildProcess): Promise<Ended> {
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>,
  ])
  return { stdout, stderr, code, signal }
}
