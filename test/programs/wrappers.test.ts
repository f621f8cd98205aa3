import { spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { assertReleased, spawnListening } from '../../src/index.js'
import { until } from '../support/clients.js'
import { HERE } from '../support/here.js'
import { leavesNothingOpen, needsKernel } from '../support/kernel.js'
import { pidsWith } from '../support/processes.js'
import { node as moduleOf } from '../support/program.js'
import { fixture, node } from './programs.js'

// Programs as projects start them: the server is the child of another program, or has left it.

leavesNothingOpen({ lingers: true })
beforeEach(needsKernel)

const server = fixture('close-on-sigterm.mjs')
const root = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'portside-wrappers-'))
afterAll(() => rmSync(folder, { recursive: true }))
const scripts = {
  supervised: `node "${fixture('forward-sigterm.mjs')}" "${server}"`,
}
writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, scripts }))

const missing: Record<string, string | undefined> = {
  npm: spawnSync('npm', ['--version']).error?.message,
  sh: spawnSync('sh', ['-c', ':']).error?.message,
}

interface Wrapper {
  readonly name: string
  readonly needs?: string
  readonly command: string
  readonly args: readonly string[]
  readonly cwd?: string
  /** The least number of processes. */
  readonly processes: number
}

const WRAPPERS: readonly Wrapper[] = [
  { name: 'npm run of a supervisor', needs: 'npm', command: 'npm', args: ['run', 'supervised'], processes: 3 },
  { name: 'npx', needs: 'npm', command: 'npx', args: ['--no-install', 'tsx', server], cwd: root, processes: 3 },
  { name: 'sh -c', needs: 'sh', command: 'sh', args: ['-c', `node "${server}"; true`], processes: 2 },
  { name: 'tsx', command: node, args: [join(root, 'node_modules/tsx/dist/cli.mjs'), server], processes: 2 },
  {
    name: 'a program that gives its child its own group',
    command: node,
    args: [fixture('leave-its-parent.mjs'), node, server],
    processes: 2,
  },
  {
    name: 'a program that leaves a grandchild in its own session',
    command: node,
    args: [fixture('leave-its-parent.mjs'), '--twice', node, server],
    processes: 2,
  },
]

const environment = (mark: string): NodeJS.ProcessEnv => ({
  ...process.env,
  HOST: HERE,
  PORTSIDE_TEST: mark,
  npm_config_update_notifier: 'false',
})

describe.each(WRAPPERS)('$name', ({ needs, command, args, cwd = folder, processes }) => {
  it('stops with the server, which gets one signal and closes gracefully; nothing is left', async (context) => {
    if (needs && missing[needs] !== undefined) context.skip(`${needs} cannot be started: ${missing[needs]}`)
    const mark = randomUUID()
    const options = { cwd, env: environment(mark), grace: 60_000, timeout: 25_000, ready: { http: '/', body: /^\d+$/ } }
    await using child = await spawnListening(command, args, options)
    const pid = Number(/^up (\d+)$/m.exec(child.stdout)?.[1])
    expect(child).toMatchObject({ address: HERE, owned: true })
    await child.stop()
    expect(child.stdout.split(/^up \d+\n/m)[1]).toBe('SIGTERM\nclosed\n')
    expect(pidsWith(`PORTSIDE_TEST=${mark}`)).toEqual([])
    expect(child.ended.map((one) => one.pid)).toEqual(expect.arrayContaining([child.child.pid, pid]))
    expect(child.ended.length).toBeGreaterThanOrEqual(processes)
    expect(child.ended.filter(({ signal }) => signal === 'SIGKILL')).toEqual([])
    await assertReleased(child.endpoint)
  })
})

describe('the parent', () => {
  it('is killed: no process is left', async () => {
    const mark = randomUUID()
    const wrappers = WRAPPERS.filter(({ needs }) => needs === undefined || missing[needs] === undefined)
    const jobs = wrappers.map(({ command, args, cwd = folder }) => [command, args, { cwd, timeout: 25_000 }])
    const [program, ...args] = moduleOf(`
      const { spawnListening } = await import(process.env.PORTSIDE)
      const starting = ${JSON.stringify(jobs)}.map((job) => spawnListening(...job))
      console.log((await Promise.all(starting)).length)`)
    const parent = spawn(program, args, { env: environment(mark), stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => {
      for (const pid of pidsWith(`PORTSIDE_TEST=${mark}`)) process.kill(pid, 'SIGKILL')
    })
    expect(String((await once(parent.stdout, 'data'))[0])).toBe(`${wrappers.length}\n`)
    expect(pidsWith(`PORTSIDE_TEST=${mark}`).length).toBeGreaterThan(2 * wrappers.length)
    parent.kill('SIGKILL')
    await once(parent, 'exit')
    parent.stdout.destroy()
    await until(() => pidsWith(`PORTSIDE_TEST=${mark}`).length === 0)
  })
})
