import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import { setTimeout } from '../../src/timers.js'
import { until } from '../support/clients.js'
import { leavesNothingOpen, needsKernel } from '../support/kernel.js'
import { pidsWith } from '../support/processes.js'
import { node } from '../support/program.js'

leavesNothingOpen({ lingers: true })

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/programs/${name}`, import.meta.url))

/** A tool of util-linux by which a shell begins a session. */
const whyNoSetsid = spawnSync('setsid', ['true']).error?.message

function needsSetsid(context: TestContext): void {
  if (whyNoSetsid !== undefined) context.skip(`setsid cannot be started: ${whyNoSetsid}`)
}

const START = `
const portside = await import(process.env.PORTSIDE)
const [command, args, by] = JSON.parse(process.argv.at(-1))
const starting = portside.spawnListening(command, args, { by })
process.stdout.write('starting')
await starting`

type By = 'descriptor' | 'port'

/** The program sends the signal to its parent, 0 for none. */
const killingParent = (by: By, signal: 'KILL' | '0'): Start => ['/bin/sh', [fixture('kill-parent.sh'), signal], by]

type Start = readonly [command: string, args: readonly string[], by: By]

interface Family {
  readonly parent: ChildProcess
  /** The running processes with its mark in their environment (proc(5)). */
  members(): number[]
}

/** A process that starts a program by spawnListening, which starts others. It has its own process group, for signals. */
function startFamily(start: Start): Family {
  const mark = `PORTSIDE_TEST=${randomUUID()}`
  const [program, ...args] = [...node(START), '--', JSON.stringify(start)]
  const env = { ...process.env, PORTSIDE_TEST: mark.replace(/.*=/, '') }
  const parent = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], env, detached: true })
  const members = (): number[] => pidsWith(mark)
  onTestFinished(() => {
    parent.stdout?.destroy()
    for (const pid of members()) process.kill(pid, 'SIGKILL')
  })
  return { parent, members }
}

const ROUNDS = 6

/** How many run at a time: each is a process that loads portside. */
const AT_ONCE = 4

async function inTurns(round: (index: number) => Promise<void>, rounds = ROUNDS): Promise<void> {
  let next = 0
  const turns = async (): Promise<void> => {
    while (next < rounds) await round(next++)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, turns))
}

describe.each(['descriptor', 'port'] as const)('a program of spawnListening by %s', (by) => {
  beforeEach(needsKernel)

  it('ends with its descendants if it kills its parent as its first act', async () => {
    await inTurns(async () => {
      const { parent, members } = startFamily(killingParent(by, 'KILL'))
      expect(await once(parent, 'exit')).toEqual([null, 'SIGKILL'])
      await until(() => members().length === 0)
    })
  })

  it('ends with its descendants if its parent is killed at any moment', async () => {
    const signals = ['SIGKILL', 'SIGINT', 'SIGTERM'] as const
    await inTurns(async (index) => {
      const { parent, members } = startFamily(killingParent(by, '0'))
      await once(parent.stdout as Readable, 'data')
      // Later each time, finally when all of them run: the parent, its watchdog, the program and two more.
      if (index < ROUNDS - 3) await new Promise((resolve) => void setTimeout(resolve, index * 2))
      else await until(() => members().length === 5)
      const pid = parent.pid as number
      // Sometimes with its group, as by Ctrl-C.
      process.kill(index % 2 === 0 ? pid : -pid, signals[index % 3])
      await once(parent, 'exit')
      await until(() => members().length === 0)
    })
  })
})

const SERVER = [process.execPath, fixture('serve-port.mjs')]

describe.each([
  {
    what: 'a program that starts others in their own sessions',
    count: 6,
    start: ['/bin/sh', [fixture('leave-session.sh'), ...SERVER], 'port'],
  },
  {
    what: 'a wrapper whose server has its own session',
    count: 4,
    start: [process.execPath, [fixture('start-detached.mjs'), ...SERVER], 'port'],
  },
] satisfies Array<{ what: string; count: number; start: Start }>)('$what', ({ count, start }) => {
  beforeEach((context) => {
    needsKernel(context)
    needsSetsid(context)
  })

  it('ends with its descendants if its parent is killed at any moment', async () => {
    const rounds = 8
    await inTurns(async (index) => {
      const { parent, members } = startFamily(start)
      await once(parent.stdout as Readable, 'data')
      // Later each time, finally when all of them run, with the parent and its watchdog.
      if (index < rounds - 2) await new Promise((resolve) => void setTimeout(resolve, index * 15))
      else await until(() => members().length >= count)
      process.kill(parent.pid as number, 'SIGKILL')
      await once(parent, 'exit')
      await until(() => members().length === 0)
    }, rounds)
  })
})
