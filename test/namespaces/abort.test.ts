import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { describe, expect, it, onTestFinished } from 'vitest'
import { until } from '../support/clients.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { whyNoNamespace } from '../support/namespace.js'
import { pidsWith } from '../support/processes.js'
import { node } from '../support/program.js'
import { runAs, USERS, type User } from '../support/users.js'

leavesNothingOpen()

const ROUNDS = 40

/** A folder for a set-up: a place for files, and an ip(8), the system's or one that never answers. */
function place({ hangs }: { hangs: boolean }) {
  const folder = mkdtempSync(join(tmpdir(), 'portside-test-'))
  onTestFinished(() => {
    for (const pid of pidsWith(folder)) process.kill(pid, 'SIGKILL')
    rmSync(folder, { recursive: true })
  })
  for (const name of ['tmp', 'bin']) mkdirSync(join(folder, name))
  if (hangs) writeFileSync(join(folder, 'bin/ip'), '#!/bin/sh\nsleep 1000 & wait\n', { mode: 0o755 })
  const env = { PATH: `${join(folder, 'bin')}:${process.env.PATH}`, TMPDIR: join(folder, 'tmp') }
  // Every process that was started with this PATH has the folder in its environment.
  return { env, members: () => pidsWith(folder), files: () => readdirSync(join(folder, 'tmp')) }
}

/** Starts private networks of both kinds, aborts them later each time, and prints the codes with which they reject. */
const ABORTS = (delay: string): string => `
  const codes = new Set()
  for (let round = 0; round < ${ROUNDS}; round++) {
    const abort = new AbortController()
    const { signal } = abort
    const profile = { ipv6: false, localhost: ['127.0.0.1'] }
    const starting = round % 3 === 0
      ? portside.createNetwork({ hosts: { a: profile, b: {} }, signal }).then((network) => network.close())
      : portside.spawnInNamespace(profile, 'sleep', ['1000'], { signal }).then((child) => {
          if (!signal.aborted) child.kill('SIGKILL')
          return new Promise((resolve) => child.on('error', () => {}).once('exit', resolve))
        })
    setTimeout(() => abort.abort(), ${delay})
    await starting.catch(({ code }) => codes.add(code))
  }
  console.log(JSON.stringify([...codes]))`

describe.skipIf(whyNoNamespace !== undefined)(`an aborted set-up (${whyNoNamespace ?? 'possible here'})`, () => {
  describe.each(USERS)('of $name', (user) => {
    it('leaves no file and no process, at any moment of the abort', async () => {
      const { env, members, files } = place({ hangs: false })
      expect(await runAs(user, ABORTS('round'), env)).toEqual(['ABORT_ERR'])
      await until(() => members().length === 0)
      expect(files()).toEqual([])
    })

    it('rejects even if ip never answers, and leaves no file and no process', async () => {
      const { env, members, files } = place({ hangs: true })
      expect(await runAs(user, ABORTS('5 + (round % 20)'), env)).toEqual(['ABORT_ERR'])
      await until(() => members().length === 0)
      expect(files()).toEqual([])
    })

    it('leaves no process if ip never answers and its parent is killed', async () => {
      const { env, members } = place({ hangs: true })
      const parent = startAs(user, env)
      await once(parent.stdout as Readable, 'data')
      // The tool and the program for which it waits.
      await until(() => members().length >= 4)
      parent.kill('SIGKILL')
      await once(parent, 'exit')
      await until(() => members().length === 0)
    })
  })

  it('rejects with the step that does not answer in time', async () => {
    const { env, members } = place({ hangs: true })
    const error = await runAs(
      USERS[0] as User,
      `const { Holder } = await import(new URL('namespaces/holder.js', process.env.PORTSIDE))
      const { stepsOf } = await import(new URL('namespaces/set-up.js', process.env.PORTSIDE))
      const error = await Holder.start(stepsOf({ mtu: 1400 }), { patience: 300 }).catch((error) => error)
      console.log(JSON.stringify({ code: error.code, message: error.message }))`,
      env,
    )
    expect(error).toEqual({
      code: 'ERR_PORTSIDE_NAMESPACE',
      message: expect.stringMatching(
        /^Cannot make a private network: run 'ip link set lo mtu 1400 up'\.\n {2}got {8}no answer within 0\.3 s\n {2}fix /,
      ),
    })
    await until(() => members().length === 0)
  })
})

function startAs({ become }: User, env: NodeJS.ProcessEnv): ChildProcess {
  const code = `
    const portside = await import(process.env.PORTSIDE)
    console.log('starting')
    await portside.spawnInNamespace({}, 'sleep', ['1000'])`
  const [program = '', ...args] = [...become, ...node(code)]
  const parent = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } })
  onTestFinished(() => void parent.stdout?.destroy())
  return parent
}
