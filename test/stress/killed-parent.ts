import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { namespaceSupport } from '../../dist/index.js'
import { pythonPath } from '../models/strangers/many.js'
import { pidsWith } from '../support/processes.js'
import { randomFrom } from './programs/random.mjs'
import { check, type Row, skipped } from './row.js'

const KILLS = 200

/** How many run at a time: each is a process that loads portside. */
const AT_ONCE = 4

/** Longest time for the remaining processes to end, in milliseconds. */
const PATIENCE = 5000

const SIGNALS = ['SIGKILL', 'SIGINT', 'SIGTERM'] as const

type How = 'descriptor' | 'port' | 'network' | (typeof LEAVING)[number]

/** Programs whose processes leave their session and their parent. */
const LEAVING = ['sessions', 'detached', 'daemon'] as const
const LEAVING_KILLS = 50

/** Longest time until the kill, in milliseconds: all processes run before. */
const LATEST = { leaving: 400, others: 80 }

/** A killed test process leaves no program, no child of a program and no file. */
export async function* killedParent(seed: number, share = 1): AsyncGenerator<Row> {
  const kills = Math.ceil(LEAVING_KILLS * share)
  for (const how of ['descriptor', 'port'] as const) {
    yield row(`killed by its program's first act: ${how}`, await left(how, 'KILL'))
    yield row(`killed at a random moment: ${how}`, await left(how, '0'))
  }
  const what = 'killed at a random moment: private network'
  const support = await namespaceSupport()
  yield support.supported ? row(what, await left('network', '0')) : skipped(what, support.reason)
  for (const how of LEAVING) {
    const of = `killed at a random moment, seed ${seed}: ${how}`
    if (how === 'daemon' && pythonPath === undefined) yield skipped(of, 'there is no python3')
    else yield row(of, await left(how, 'SIGKILL', randomFrom(seed), kills), kills)
  }
}

const row = (what: string, { processes, files }: Left, kills = KILLS): Row =>
  check(
    `${kills} test processes ${what}`,
    '0 left',
    `${processes} processes, ${files} files left`,
    processes + files === 0,
  )

interface Left {
  readonly processes: number
  readonly files: number
}

async function left(how: How, signal: string, random = Math.random, kills = KILLS): Promise<Left> {
  const folder = mkdtempSync(join(tmpdir(), 'portside-stress-'))
  let [begun, processes] = [0, 0]
  const turns = async (): Promise<void> => {
    while (begun++ < kills) processes += await leftByOne(how, signal, folder, random)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, turns))
  const files = readdirSync(folder).length
  rmSync(folder, { recursive: true })
  return { processes, files }
}

/** The processes that still run after it and its family had time to end. */
async function leftByOne(how: How, signal: string, folder: string, random: () => number): Promise<number> {
  const mark = randomUUID()
  // The shell of a private network has only PATH of the environment.
  const env = { ...process.env, TMPDIR: folder, PATH: `${process.env.PATH}:/${mark}` }
  const program = fileURLToPath(new URL('programs/start-family.mjs', import.meta.url))
  const parent = spawn(process.execPath, [program, JSON.stringify({ how, signal, python: pythonPath })], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
    detached: true,
  })
  const exited = once(parent, 'exit')
  await once(parent.stdout as Readable, 'data')
  if (signal !== 'KILL') {
    await setTimeout(random() * (signal === '0' ? LATEST.others : LATEST.leaving))
    const pid = parent.pid as number
    const by = signal === '0' ? SIGNALS[Math.floor(random() * SIGNALS.length)] : 'SIGKILL'
    process.kill(random() < 0.5 ? pid : -pid, by)
  }
  await exited
  parent.stdout?.destroy()
  for (const limit = performance.now() + PATIENCE; performance.now() < limit; await setTimeout(10)) {
    if (pidsWith(mark).length === 0) return 0
  }
  const stayed = pidsWith(mark)
  for (const pid of stayed) process.kill(pid, 'SIGKILL')
  return stayed.length
}
