import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { setTimeout } from '../../src/timers.js'
import { until } from '../support/clients.js'
import { leavesNothingOpen, needsKernel } from '../support/kernel.js'
import { pidsWith } from '../support/processes.js'
import { node } from '../support/program.js'

leavesNothingOpen()

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/programs/${name}`, import.meta.url))

const START = `
const portside = await import(process.env.PORTSIDE)
const [script, by, signal] = process.argv.slice(-3)
const starting = portside.spawnListening('/bin/sh', [script, signal], { by })
process.stdout.write('starting')
await starting`

interface Start {
  readonly by: 'descriptor' | 'port'
  /** The signal that the program sends to its parent, 0 for none. */
  readonly signal: 'KILL' | '0'
}

interface Family {
  readonly parent: ChildProcess
  /** Those who run of all that came of it: their environment has its mark (proc(5)). */
  members(): number[]
}

/** A process that starts a program by spawnListening, which starts others. It has a process group of its own, for signals. */
function startFamily({ by, signal }: Start): Family {
  const mark = `PORTSIDE_TEST=${randomUUID()}`
  const [program, ...args] = [...node(START), '--', fixture('kill-parent.sh'), by, signal]
  const env = { ...process.env, PORTSIDE_TEST: mark.replace(/.*=/, '') }
  const parent = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], env, detached: true })
  const members = (): number[] => pidsWith(mark)
  onTestFinished(() => {
    parent.stdout?.destroy()
    for (const pid of members()) process.kill(pid, 'SIGKILL')
  })
  return { parent, members }
}

const ROUNDS = 20

/** So many at a time: each is a process that loads portside. */
const AT_ONCE = 4

async function inTurns(round: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const turns = async (): Promise<void> => {
    while (next < ROUNDS) await round(next++)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, turns))
}

describe.each(['descriptor', 'port'] as const)('a program of spawnListening by %s', (by) => {
  beforeEach(needsKernel)

  it('ends with all that it has started when it kills its parent as its first act', async () => {
    await inTurns(async () => {
      const { parent, members } = startFamily({ by, signal: 'KILL' })
      expect(await once(parent, 'exit')).toEqual([null, 'SIGKILL'])
      await until(() => members().length === 0)
    })
  })

  it('ends with all that it has started when its parent is killed at any moment', async () => {
    const signals = ['SIGKILL', 'SIGINT', 'SIGTERM'] as const
    await inTurns(async (index) => {
      const { parent, members } = startFamily({ by, signal: '0' })
      await once(parent.stdout as Readable, 'data')
      // Later and later, at last when all of them run: the parent, its watchdog, the program and two more.
      if (index < ROUNDS - 3) await new Promise((resolve) => void setTimeout(resolve, index))
      else await until(() => members().length === 5)
      const pid = parent.pid as number
      // Some with their group, as by Ctrl-C.
      process.kill(index % 2 === 0 ? pid : -pid, signals[index % 3])
      await once(parent, 'exit')
      await until(() => members().length === 0)
    })
  })
})
