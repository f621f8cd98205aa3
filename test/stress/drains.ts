import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Kind, Many } from '../models/drain/many.js'
import { check, information, type Row } from './row.js'

const RUN = fileURLToPath(new URL('../models/drain/run.ts', import.meta.url))
const BUILT = new URL('../../dist/index.js', import.meta.url).href

/** The distance between the seeds of two processes. */
const APART = 1_000_000

type Told = Omit<Many, 'kinds'> & { readonly kinds: readonly [string, Kind][] }

/**
 * Drains by random schedules. test/models/drain/run.ts repeats one of them by its seed. They run in their own process: Node 20
 * itself sometimes aborts when HTTP/2 over TLS is cut, even with servers of plain Node.
 */
export async function* drains(seconds: number, seed: number): AsyncGenerator<Row> {
  const until = performance.now() + seconds * 1000
  const all: Told[] = []
  const aborted: string[] = []
  for (let next = seed; all.length === 0 || performance.now() < until - 1000; next += APART) {
    const { told, signal } = await run(Math.max(1, (until - performance.now()) / 1000), next)
    if (told !== undefined) all.push(told)
    else aborted.push(`${signal} after seed ${next}`)
    if (aborted.length > 20) break
  }
  const sum = (name: 'schedules' | 'accepted' | 'begun' | 'answered' | 'forced'): number =>
    all.reduce((total, told) => total + told[name], 0)
  const kinds = all.flatMap((told) => told.kinds)
  for (const [kind, { first }] of kinds) {
    for (const { seed, detail } of first.slice(0, 2)) console.log(`  ${kind}: seed ${seed}: ${detail.slice(0, 300)}`)
  }
  yield check(
    `drains by schedule, seed ${seed}`,
    'no complaint',
    `${sum('schedules')} schedules, ${sum('accepted')} connections, ${sum('begun')} requests begun, ${sum('answered')} answered, ${sum('forced')} forced: ${kinds.map(([kind, { count }]) => `${count} x ${kind}`).join(', ') || 'no complaint'}`,
    all.length > 0 && kinds.length === 0,
  )
  const gained = all.map(({ socketsBefore, socketsAfter }) => Math.max(0, socketsAfter - socketsBefore))
  yield check(
    '  sockets gained',
    '0',
    gained.join(', '),
    gained.every((count) => count === 0),
  )
  if (aborted.length > 0) yield information('  Node aborted', aborted.join(', '))
}

async function run(seconds: number, seed: number): Promise<{ told: Told | undefined; signal: string }> {
  const args = ['--import', 'tsx', RUN, '--json', '--portside', BUILT, '--seconds', `${seconds}`, '--seed', `${seed}`]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [said, [code, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  if (signal !== null) return { told: undefined, signal }
  if (said === '') throw new Error(`the drains exited with ${code} without output`)
  return { told: JSON.parse(said), signal: '' }
}
