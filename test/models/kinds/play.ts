import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { ListeningChild, SpawnListeningOptions } from '../../../src/index.js'
import { pidsWith } from '../../support/processes.js'
import { ask } from '../ask.js'

type SpawnListening = (command: string, args: string[], options: SpawnListeningOptions) => Promise<ListeningChild>

const fixture = (name: string): string => join(import.meta.dirname, '../../../fixtures/programs', name)
const NODE = [process.execPath, fixture('serve-identity.mjs')] as const

/** The interpreter itself, because the program in PATH may only look for one. */
const python = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' })
const pythonPath = python.status === 0 ? python.stdout.trim() : undefined

interface Kind {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly options: SpawnListeningOptions
}

const ANYWHERE = { port: 'any' } as const

const KINDS: readonly Kind[] = [
  { name: 'node by PORT', command: NODE, options: { family: 'IPv4' } },
  { name: "node with port: 'any'", command: NODE, options: ANYWHERE },
  ...(pythonPath === undefined
    ? []
    : [
        {
          name: "python with port: 'any'",
          command: [pythonPath, fixture('serve-identity.py')] as const,
          options: ANYWHERE,
        },
      ]),
  {
    name: 'a shell with the server as its child',
    command: ['sh', '-c', '"$@" & wait', 'sh', ...NODE],
    options: { family: 'IPv4' },
  },
  {
    name: 'a wrapper with the server in its own session',
    command: [process.execPath, fixture('start-detached.mjs'), ...NODE],
    options: { family: 'IPv4' },
  },
  { name: 'by descriptor', command: NODE, options: { by: 'descriptor', family: 'IPv4' } },
]

export const whyNoPython: string | undefined = pythonPath === undefined ? 'python3 cannot be started' : undefined

export interface Found {
  /** Programs that were not found, were mistaken for another, or have another's endpoint. */
  readonly faults: string[]
  /** How many processes ran when all were ready. */
  readonly processes: number
  /** How many processes still run after all were stopped. */
  readonly left: number
}

/** Starts programs of all kinds at once, asks each for its identity, and stops them. */
export async function playAtOnce(spawnListening: SpawnListening, count: number): Promise<Found> {
  const mark = `PORTSIDE_TEST=${randomUUID()}`
  const faults: string[] = []
  const start = async (index: number): Promise<ListeningChild | undefined> => {
    const { name, command, options } = KINDS[index % KINDS.length] as Kind
    const identity = `${index} of ${mark}`
    const env = { ...process.env, PORT: '0', IDENTITY: identity, PORTSIDE_TEST: mark.replace(/.*=/, '') }
    const [file, ...args] = command
    try {
      const child = await spawnListening(file, args, { ...options, env, timeout: PATIENCE })
      const answer = await ask(child)
      if (answer !== identity) faults.push(`${name}: expected ${identity}, got ${answer}`)
      if (child.owned !== true) faults.push(`${name}: owned is ${child.owned}`)
      return child
    } catch (error) {
      faults.push(`${name}: ${(error as Error).message}`)
      return undefined
    }
  }
  const started = await Promise.all(Array.from({ length: count }, (_, index) => start(index)))
  const children = started.filter((child) => child !== undefined)
  const ports = new Set(children.map(({ port }) => port))
  if (ports.size < children.length) faults.push(`${children.length} programs on ${ports.size} ports`)
  const processes = pidsWith(mark).length
  await Promise.all(children.map((child) => child.stop()))
  const left = pidsWith(mark)
  for (const pid of left) process.kill(pid, 'SIGKILL')
  return { faults, processes, left: left.length }
}

/** Longer than all programs need on a machine with one core, in milliseconds. */
const PATIENCE = 25_000
