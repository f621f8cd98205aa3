import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { namespaceSupport } from '../../dist/index.js'
import { privateNetwork } from './network.js'
import { runProgram } from './program.js'
import { randomFrom } from './programs/random.mjs'
import { check, type Row, skipped } from './row.js'
import { tally } from './tally.js'

const USERS = 5

/** How a user ends. `group` sends the signal to its whole process group. */
const ENDINGS = [
  'process SIGKILL',
  'process SIGKILL',
  'process SIGTERM',
  'process SIGINT',
  'group SIGKILL',
  'group SIGINT',
  'exit',
  'throw',
  'return',
  'return',
]

/** The codes with which a call may fail if a user has few descriptors or few ports. */
const ALLOWED = ['ABORT_ERR', 'ENAMETOOLONG']
const FEW_FILES = [
  'EMFILE',
  // libuv accepts and closes a connection for which it has no descriptor.
  'ECONNRESET',
  'ERR_PORTSIDE_NAMESPACE',
  'ERR_WORKER_INIT_FAILED',
  'ERR_PORTSIDE_WAIT_TIMEOUT',
  'ENOENT',
  'EAGAIN',
  'ERR_PORTSIDE_CHILD_EXITED',
]
const FEW_PORTS = ['EADDRINUSE', 'EADDRNOTAVAIL', 'ERR_PORTSIDE_NO_PORT']

interface Found {
  readonly done: number
  readonly faults: string[]
  readonly collisions: string[]
  readonly hangs: string[]
  readonly leaks: string[]
}

/** Rounds of users that do everything at once and end at random moments, in ways that leave no time to clean up. */
export async function* chaos(seconds: number, seed: number): AsyncGenerator<Row> {
  const what = `users that end at random, ${seconds} s, seed ${seed}`
  const probe = privateNetwork(200)
  if (probe.why !== undefined) return yield skipped(what, probe.why)
  const random = randomFrom(seed)
  const until = performance.now() + seconds * 1000
  const sums = { rounds: 0, users: 0, done: 0 }
  const all: Found[] = []
  do {
    const found = await round(random, sums.rounds)
    sums.rounds++
    sums.users += USERS
    sums.done += found.done
    all.push(found)
  } while (performance.now() < until)
  for (const kind of ['faults', 'collisions', 'hangs', 'leaks'] as const) {
    const texts = all.flatMap((found) => found[kind])
    for (const text of texts.slice(0, 5)) console.log(`  ${kind}: ${text}`)
    const of = `${sums.rounds} rounds, ${sums.users} users, ${sums.done} uses: ${texts.length} ${kind}`
    yield check(
      `${kind}: ${what}`,
      `0 ${kind}`,
      texts.length > 5 ? `${of}, ${tally(texts.map(short))}`.slice(0, 200) : of,
      texts.length === 0,
    )
  }
}

/** Without the parts that differ between two texts of the same kind. */
const short = (text: string): string =>
  text
    .replace(/\d+: |\(seed \d+\).*/gs, '')
    .replace(/[.-]?[A-Za-z0-9]{6,10}$/, '')
    .slice(0, 40)

async function round(random: () => number, index: number): Promise<Found> {
  const oneOf = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
  const few = random() < 0.5
  const network = privateNetwork(few ? 200 : 3000, { ipv6: random() < 0.6 })
  // Every fifth round ends without a kill: only then portside promises no TIME_WAIT.
  const peaceful = index % 5 === 4
  const users = Array.from({ length: USERS }, () => {
    const files = oneOf([undefined, undefined, 64, 128])
    return {
      seed: Math.floor(random() * 1e9),
      subjects: oneOf([['reserve', 'listen'], ['program'], ...NETWORKS]),
      ending: peaceful ? 'return' : oneOf(ENDINGS),
      // A program by port is another process: waiting for it may leave a TIME_WAIT.
      by: peaceful ? ['descriptor'] : ['descriptor', 'descriptor', 'port'],
      after: Math.floor(random() * 400),
      ...(files === undefined ? {} : { files }),
      allowed: [...ALLOWED, ...(files === undefined ? [] : FEW_FILES), ...(few ? FEW_PORTS : [])],
    }
  })
  const folder = mkdtempSync(join(tmpdir(), 'chaos-'))
  try {
    return await runProgram<Found>(network, 'chaos-round', { folder, users })
  } catch (error) {
    return {
      done: 0,
      faults: [`the round failed: ${(error as Error).message}`],
      collisions: [],
      hangs: [],
      leaks: [],
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const NETWORKS = (await namespaceSupport()).supported
  ? [['namespace'], ['reserve', 'listen', 'program', 'namespace', 'network']]
  : [['reserve', 'listen', 'program']]
