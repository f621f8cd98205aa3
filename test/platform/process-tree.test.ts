import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished, type TestContext, vi } from 'vitest'
import {
  childrenIn,
  descendantsOf,
  end,
  endsWithItsParent,
  identified,
  isRunning,
  parseStates,
} from '../../src/platform/process-tree.js'
import { until } from '../support/clients.js'

const missing = {
  sh: spawnSync('sh', ['-c', ':']).error?.message,
  ps: spawnSync('ps', ['-A', '-o', 'pid=,ppid=']).error?.message,
  '/proc': whyNoProc(),
}

function needs(context: TestContext, ...names: Array<keyof typeof missing>): void {
  for (const name of names) if (missing[name] !== undefined) context.skip(`no ${name} here: ${missing[name]}`)
}

/** Prints the pids of two children and of a child of the second, and waits. */
const TREE = `
tail -f /dev/null & echo $!
sh -c 'tail -f /dev/null & echo $!; wait' & echo $!
wait`

describe('descendantsOf', () => {
  it.for([
    ['linux', '/proc'],
    ['darwin', 'ps'],
  ] as const)('finds children and their children as on %s, through %s', async ([platform, source], context) => {
    needs(context, 'sh', source)
    const { program, pids } = await startTree(['sh', '-c', TREE], 3)
    const found = descendantsOf(program.pid as number, platform)
    expect(found.map(({ pid }) => pid).sort()).toEqual(pids.sort())
    expect(found.every((one) => isRunning(one, platform))).toBe(true)
    for (const other of found) end(other, 'SIGKILL', platform)
    await once(program, 'exit')
    expect(descendantsOf(program.pid as number, platform)).toEqual([])
  })

  it.for([
    ['linux', '/proc'],
    ['darwin', 'ps'],
  ] as const)('finds a child of another thread as on %s, through %s', async ([platform, source], context) => {
    needs(context, source)
    const { program, pids } = await startTree([process.execPath, fixture('start-server-in-thread.mjs')], 1)
    const found = descendantsOf(program.pid as number, platform)
    expect(found.map(({ pid }) => pid)).toEqual(pids)
    program.kill('SIGKILL')
    await once(program, 'exit')
  })

  it('finds none for a process without children, for no such process, and on Windows', () => {
    const ended = spawnSync(process.execPath, ['-e', '']).pid
    for (const platform of ['linux', 'win32'] as const) expect(descendantsOf(ended, platform)).toEqual([])
    expect(descendantsOf(process.pid, 'win32')).toEqual([])
  })
})

describe('childrenIn', () => {
  it('reads the columns of ps', () => {
    const children = childrenIn(
      ['    1     0', '   20     1', '  300    20', '99999    20', ' 4000  4000', ''].join('\n'),
    )
    expect(children(20)).toEqual([300, 99_999])
    expect(children(1)).toEqual([20])
    expect(children(300)).toEqual([])
    expect(children(5)).toEqual([])
  })

  it('ignores other lines', () => {
    const children = childrenIn('  PID  PPID\n\n   20     1\nps: cannot\n')
    expect(children(1)).toEqual([20])
  })
})

describe('isRunning and end', () => {
  it('distinguishes a running process from one that has exited', async () => {
    const program = spawn(process.execPath, ['-e', 'setInterval(() => {}, 60000)'])
    onTestFinished(() => void program.kill('SIGKILL'))
    const other = { pid: program.pid as number, started: startOf(program.pid as number) }
    expect(isRunning(other)).toBe(true)
    end(other, 'SIGTERM')
    expect(await once(program, 'exit')).toEqual([null, 'SIGTERM'])
    expect(isRunning(other)).toBe(false)
    end(other, 'SIGTERM')
  })

  it('counts a process of another user, which it may not signal, as running', () => {
    const other = identified(process.pid)
    const kill = vi.spyOn(process, 'kill').mockImplementation(() => {
      throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' })
    })
    onTestFinished(() => kill.mockRestore())
    expect(isRunning(other)).toBe(true)
    end(other, 'SIGTERM')
  })

  it('treats a process with another start time as another one, and does not touch it', async (context) => {
    needs(context, '/proc')
    const program = spawn(process.execPath, ['-e', 'process.stdin.resume()'])
    onTestFinished(() => void program.kill('SIGKILL'))
    const earlier = { pid: program.pid as number, started: '1' }
    expect(isRunning(earlier)).toBe(false)
    end(earlier, 'SIGKILL')
    program.stdin.end()
    expect(await once(program, 'exit')).toEqual([0, null])
  })

  it('knows a process by the start time of ps, as on macOS', async (context) => {
    needs(context, 'ps')
    const program = spawn(process.execPath, ['-e', 'process.stdin.resume()'])
    onTestFinished(() => void program.kill('SIGKILL'))
    await once(program, 'spawn')
    const other = identified(program.pid as number, 'darwin')
    expect(other.started).toMatch(/ \d\d:\d\d:\d\d \d{4}$/)
    expect(isRunning(other, 'darwin')).toBe(true)
    const earlier = { ...other, started: 'Thu Jan  1 00:00:00 1970' }
    expect(isRunning(earlier, 'darwin')).toBe(false)
    expect(end(earlier, 'SIGKILL', 'darwin')).toBe(false)
    program.stdin.end()
    expect(await once(program, 'exit')).toEqual([0, null])
    expect(isRunning(other, 'darwin')).toBe(false)
  })

  it('knows a process that is younger than the last list of ps, in any time zone', async (context) => {
    needs(context, 'ps')
    // The list of this moment is kept.
    expect(isRunning(identified(process.pid, 'darwin'), 'darwin')).toBe(true)
    const program = spawn(process.execPath, ['-e', 'process.stdin.resume()'])
    onTestFinished(() => void program.kill('SIGKILL'))
    await once(program, 'spawn')
    const other = identified(program.pid as number, 'darwin')
    expect(other.started).toBeDefined()
    vi.stubEnv('TZ', 'Asia/Tokyo')
    onTestFinished(() => void vi.unstubAllEnvs())
    await pause()
    expect(isRunning(other, 'darwin')).toBe(true)
    program.stdin.end()
    await once(program, 'exit')
  })

  it('counts a process as running if ps cannot be run, as on macOS', async (context) => {
    needs(context, 'ps')
    const other = identified(process.pid, 'darwin')
    vi.stubEnv('PATH', '/nowhere')
    onTestFinished(() => void vi.unstubAllEnvs())
    await pause()
    expect(isRunning(other, 'darwin')).toBe(true)
  })

  it('counts an exited process that its parent has not waited for as ended, by ps, as on macOS', async (context) => {
    needs(context, 'ps', 'sh', '/proc')
    const { program, pids } = await startTree(['sh', '-c', 'tail -f /dev/null & echo $!; exec tail -f /dev/null'], 1)
    const pid = pids[0] as number
    await until(() => readFileSync(`/proc/${program.pid}/comm`, 'utf8') === 'tail\n')
    await pause()
    const other = identified(pid, 'darwin')
    expect(isRunning(other, 'darwin')).toBe(true)
    process.kill(pid, 'SIGKILL')
    await until(() => stateOf(pid) === 'Z')
    await until(() => !isRunning(other, 'darwin'))
    program.kill('SIGKILL')
    await once(program, 'exit')
  })

  it('counts an exited process that its parent has not waited for as ended', async (context) => {
    needs(context, '/proc', 'sh')
    // The shell replaces itself by a program that does not wait for the child.
    const { program, pids } = await startTree(['sh', '-c', 'tail -f /dev/null & echo $!; exec tail -f /dev/null'], 1)
    const pid = pids[0] as number
    const other = { pid, started: startOf(pid) }
    await until(() => readFileSync(`/proc/${program.pid}/comm`, 'utf8') === 'tail\n')
    process.kill(pid, 'SIGKILL')
    await until(() => stateOf(pid) === 'Z')
    expect(isRunning(other)).toBe(false)
    program.kill('SIGKILL')
    await once(program, 'exit')
  })
})

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/programs/${name}`, import.meta.url))

/** Starts a program and reads this many pids from it, one per line. The end of the test kills them. */
async function startTree([command, ...args]: [string, ...string[]], count: number) {
  // Servers among them use a port that the kernel picks.
  const env = { ...process.env, PORT: '0' }
  const program: ChildProcess = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const pids: number[] = []
  onTestFinished(() => {
    program.stdout?.destroy()
    for (const pid of [program.pid as number, ...pids]) end({ pid, started: startOf(pid) }, 'SIGKILL')
  })
  for await (const line of createInterface({ input: program.stdout as NodeJS.ReadableStream })) {
    if (pids.push(Number(line)) === count) break
  }
  return { program, pids }
}

/** Fields 3 and 22 of /proc/PID/stat (proc(5)); undefined where there is no such process. */
const stateOf = (pid: number): string | undefined => statOf(pid)?.[0]
const startOf = (pid: number): string | undefined => statOf(pid)?.[19]

function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

function whyNoProc(): string | undefined {
  try {
    readFileSync(`/proc/self/task/${process.pid}/children`)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

it.each([
  ['linux', false],
  ['darwin', false],
  ['win32', true],
] as const)('on %s a program ends with the process that started it: %s', (platform, ends) => {
  expect(endsWithItsParent(platform)).toBe(ends)
})

/** Longer than a list of ps is kept. */
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 250))

describe('parseStates', () => {
  it('reads pid, state and start time', () => {
    const output = [
      '    1 Ss   Mon Nov 30 18:34:40 2026',
      ' 4100 S+   Mon Nov 30 19:00:00 2026    ',
      ' 4101 Z    Mon Nov 30 19:00:01 2026',
      '12345 ?    ',
      'ps: a line that is no process',
      '',
    ].join('\n')
    expect([...parseStates(output)]).toEqual([
      [1, { state: 'S', started: 'Mon Nov 30 18:34:40 2026' }],
      [4100, { state: 'S', started: 'Mon Nov 30 19:00:00 2026' }],
      [4101, { state: 'Z', started: 'Mon Nov 30 19:00:01 2026' }],
    ])
  })
})
