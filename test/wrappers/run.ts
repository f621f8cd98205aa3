import { type ChildProcess, execFile, type StdioOptions, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { setPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { type Project, packInto, project } from '../runners/consumers/project.js'
import { pidsWith } from '../support/processes.js'

// Tests programs that start a server for a project: package managers, supervisors and daemons, as packages from the registry,
// with the packed portside. Each becomes ready and is stopped: the server closes gracefully, and nothing is left. Then SIGKILL
// ends its parent: nothing is left. Arguments select programs by name: `npm run wrappers -- pm2`. Linux only.

interface Wrapper {
  readonly name: string
  /** It exits and leaves the server to a daemon, which is an error. */
  readonly daemonizes?: boolean
  /** It does not wait until the server has closed. */
  readonly hasty?: boolean
}

interface Stopped {
  readonly port?: number
  readonly owned?: true
  readonly ended?: ReadonlyArray<{ readonly pid: number; readonly program: string; readonly signal: string | null }>
  readonly said?: string
  readonly code?: string
  readonly message?: string
}

setPriority(10)
const wanted = process.argv.slice(2).map((expression) => new RegExp(expression))
const folder = mkdtempSync(join(tmpdir(), 'portside-wrappers-'))
try {
  await run()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function run(): Promise<void> {
  if (process.platform !== 'linux') return console.log('skipped: this test reads /proc')
  const installed = await install()
  if (installed === undefined) return
  copyFileSync(
    join(import.meta.dirname, '../../fixtures/programs/close-on-sigterm.mjs'),
    join(installed.folder, 'server.mjs'),
  )
  const { PREPARATIONS, WRAPPERS } = await import(pathToFileURL(join(installed.folder, 'wrappers.mjs')).href)
  for (const [command, args, cwd] of PREPARATIONS) await promisify(execFile)(command, args, { cwd })
  const chosen = (WRAPPERS as Wrapper[]).filter(
    ({ name }) => wanted.length === 0 || wanted.some((one) => one.test(name)),
  )
  if (chosen.length === 0) throw new Error(`no wrapper matches ${wanted.join(' or ')}`)
  for (const wrapper of chosen) {
    const complaints = [...(await stopped(installed.folder, wrapper)), ...(await killed(installed.folder, wrapper))]
    console.log(`${wrapper.name.padEnd(16)} ${complaints.length === 0 ? 'ok' : `FAILED\n  ${complaints.join('\n  ')}`}`)
    if (complaints.length > 0) process.exitCode = 1
  }
}

async function install(): Promise<Project | undefined> {
  try {
    return await project(join(folder, 'project'), 'wrappers', [await packInto(folder)])()
  } catch (error) {
    const said = String((error as { stderr?: unknown }).stderr ?? error)
    if (!/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH/.test(said)) throw error
    console.log(`skipped: the registry cannot be reached: ${said.trim().split('\n')[0]}`)
    return undefined
  }
}

function start(cwd: string, { name }: Wrapper, mark: string, ...then: string[]): ChildProcess {
  const stdio: StdioOptions = ['ignore', 'pipe', 'inherit']
  return spawn(process.execPath, ['start.mjs', name, mark, ...then], { cwd, stdio })
}

/** Starts and stops a wrapper. Resolves to the faults. */
async function stopped(cwd: string, wrapper: Wrapper): Promise<string[]> {
  const mark = randomUUID()
  const parent = start(cwd, wrapper, mark, 'stop')
  const output = collect(parent)
  await once(parent, 'exit')
  const outcome = JSON.parse(output()) as Stopped
  const { port, owned, ended = [], said = '', code, message = '' } = outcome
  const complaints = await left(mark)
  if (code !== undefined) {
    const told = code === 'ERR_PORTSIDE_CHILD_EXITED' && message.includes('it left processes running')
    if (!wrapper.daemonizes || !told) complaints.push(message)
    console.log(message.replace(/^/gm, '    '))
    return complaints
  }
  const signals = said.match(/^(?:\[\d\] )?SIGTERM$/gm)?.length ?? 0
  const programs = ended.map(({ program, signal }) => `${program} ${signal}`).join(', ')
  console.log(`    SIGTERM ${signals} times, ${/closed/.test(said) ? 'closed' : 'not closed'}; ended: ${programs}`)
  if (owned !== true) complaints.push('owned is not true')
  if (ended.length < 2) complaints.push(`ended names only ${programs}`)
  if (await listens(port as number)) complaints.push(`something still listens on port ${port}`)
  if (!wrapper.daemonizes && !wrapper.hasty && !/closed/.test(said)) {
    complaints.push('the server did not close gracefully')
  }
  return complaints
}

/** Kills the parent of a wrapper by SIGKILL. Resolves to the faults. */
async function killed(cwd: string, wrapper: Wrapper): Promise<string[]> {
  const mark = randomUUID()
  const parent = start(cwd, wrapper, mark)
  const output = collect(parent)
  const over = once(parent, 'exit')
  while (output() === '' && parent.exitCode === null) await sleep(5)
  parent.kill('SIGKILL')
  await over
  return left(mark)
}

/** Ends the processes that are still left after a while, and resolves to them. */
async function left(mark: string): Promise<string[]> {
  const pids = (): number[] => pidsWith(`WRAPPERS_TEST=${mark}`)
  for (let rounds = 0; rounds < 100 && pids().length > 0; rounds++) await sleep(20)
  return pids().map((pid) => {
    process.kill(pid, 'SIGKILL')
    return `process ${pid} was left`
  })
}

function collect({ stdout }: ChildProcess): () => string {
  let text = ''
  stdout?.setEncoding('utf8').on('data', (more: string) => {
    text += more
  })
  return () => text
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
