import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { describe, expect, it, onTestFinished, type TestContext, vi } from 'vitest'
import { endTree } from '../../src/platform/process-tree.js'
import { MARK, ProgramFamily, parsePairs, ticks } from '../../src/platform/program-family.js'
import { until } from '../support/clients.js'
import { needsKernel } from '../support/kernel.js'

const capture = (name: string): string =>
  readFileSync(new URL(`../../fixtures/captures/${name}`, import.meta.url), 'utf8')

const whyNoPs = spawnSync('ps', ['-A', '-o', 'pid=']).error?.message
const whyNoSetsid = spawnSync('setsid', ['true']).error?.message

function needs(context: TestContext, what: string, why: string | undefined): void {
  if (why !== undefined) context.skip(`${what} cannot be started: ${why}`)
}

/** Starts a shell in its own group, which prints this many pids. */
async function shell(script: string, count: number, env: NodeJS.ProcessEnv = {}): Promise<[number, ...number[]]> {
  const stdio = ['ignore', 'pipe', 'ignore'] as const
  const child = spawn('sh', ['-c', script], { detached: true, stdio: [...stdio], env: { ...process.env, ...env } })
  const pids: number[] = []
  onTestFinished(async () => {
    for (const pid of [...pids, child.pid as number]) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has exited.
      }
    }
    child.stdout?.destroy()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  let text = ''
  while (text.split('\n').length <= count) text += String((await once(child.stdout as Readable, 'data'))[0])
  pids.push(...text.trim().split('\n').map(Number))
  return [child.pid as number, ...pids]
}

describe('parsePairs', () => {
  it('reads the columns of ps: pid, parent and group', () => {
    const listed = parsePairs(capture('processes-macos.txt'), 'darwin')
    expect([...listed.keys()]).toEqual([1, 300, 4100, 4101, 4102, 4103, 4200])
    expect(listed.get(4102)).toEqual({ parent: 4101, group: 4102 })
  })

  it('reads the list of Windows: pid, parent and start time', () => {
    const listed = parsePairs(capture('processes-windows.txt'), 'win32')
    expect([...listed.keys()]).toEqual([4, 512, 700, 4100, 4200, 4204, 4208, 4300, 4999, 5000])
    expect(listed.get(4200)).toEqual({ parent: 4100, started: 639001600010000000 })
    expect(parsePairs('20 1\r\n', 'win32').get(20)).toEqual({ parent: 1, started: undefined })
  })

  it('finds no process in a text without a list', () => {
    for (const text of ['', '\r\n', 'ProcessId ParentProcessId\r\n', '5\n', 'ps: cannot\n']) {
      expect(parsePairs(text, 'win32').size).toBe(0)
    }
  })
})

describe('ProgramFamily of Windows', () => {
  const family = (pid: number, text = capture('processes-windows.txt')): ProgramFamily =>
    new ProgramFamily(pid, undefined, 'win32', () => text)

  it('has a program, its children and theirs', () => {
    expect(family(4100).tree()).toEqual([4100, 4200, 4204])
    expect([4100, 4200, 4204, 700, 4300].map((pid) => family(4100).has(pid))).toEqual([true, true, true, false, false])
  })

  it('leaves out a process that is older than its parent, whose pid was reused', () => {
    expect(family(4200).tree()).toEqual([4200, 4204])
    expect(family(4200).has(4208)).toBe(false)
  })

  it('leaves out such a process also when the program has exited', () => {
    const now = ticks(Date.now())
    const listed = [`6001 6000 ${now - 10 ** 10}`, `6002 6000 ${now + 10 ** 6}`, `6003 6002 ${now + 10 ** 7}`].join(
      '\r\n',
    )
    expect(family(6000, listed).tree()).toEqual([6000, 6002, 6003])
  })

  it('ends if parents form a cycle', () => {
    expect(family(4999).tree()).toEqual([4999, 5000])
    expect(family(700).has(4999)).toBe(false)
    expect(family(20, '20 21\r\n21 20\r\n22 21\r\n').tree()).toEqual([20, 21, 22])
  })

  it('is undefined without a list', () => {
    const unlisted = new ProgramFamily(5, undefined, 'win32', () => {
      throw new Error('spawn powershell.exe ENOENT')
    })
    expect(unlisted.tree()).toEqual([5])
    expect(unlisted.has(5)).toBe(true)
    expect(unlisted.has(6)).toBeUndefined()
  })

  it('uses PowerShell', async (context) => {
    if (process.platform === 'win32') context.skip('there is one')
    const directory = await fakes({ 'powershell.exe': 'printf "20 1 5\\r\\n30 20 6\\r\\n"' })
    vi.stubEnv('PATH', `${directory}:${process.env.PATH}`)
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(new ProgramFamily(20, undefined, 'win32').tree()).toEqual([20, 30])
  })
})

describe('ProgramFamily of macOS', () => {
  it('includes processes of its group without their parent', () => {
    const family = new ProgramFamily(4100, undefined, 'darwin', () => capture('processes-macos.txt'))
    expect(family.tree()).toEqual([4100, 4101, 4102, 4103])
    expect([4102, 4103, 4200, 1].map((pid) => family.has(pid))).toEqual([true, true, false, false])
  })

  it('finds its processes by ps', async (context) => {
    needs(context, 'ps', whyNoPs)
    const [pid, orphan, child] = await shell('(tail -f /dev/null & echo $!); tail -f /dev/null & echo $!; wait', 2)
    const family = new ProgramFamily(pid, undefined, 'darwin')
    expect(new Set(family.members().map((one) => one.pid))).toEqual(new Set([pid, orphan, child]))
    expect(family.has(orphan as number)).toBe(true)
    expect(family.has(process.pid)).toBe(false)
  })
})

describe('ProgramFamily of Linux', () => {
  it('recognizes a process that left its parent and session by its environment', async (context) => {
    needsKernel(context)
    needs(context, 'setsid', whyNoSetsid)
    const script = "(setsid sh -c 'echo $$; exec tail -f /dev/null' &); exec tail -f /dev/null"
    const mark = `here.${process.pid}.${Date.now()};`
    const [pid, stray = 0] = await shell(script, 1, { [MARK]: `another.1; ${mark}` })
    const family = new ProgramFamily(pid, mark, 'linux')
    // The shell between them exits after it has started the stray.
    await until(() => family.tree().length === 1)
    expect(family.has(stray)).toBe(true)
    expect(new Set(family.members().map((one) => one.pid))).toEqual(new Set([pid, stray]))
    expect(new ProgramFamily(pid, undefined, 'linux').has(stray)).toBe(false)
  })

  it('excludes a process that is older than the program, or does not exist', async (context) => {
    needsKernel(context)
    const [older] = await shell('echo $$; exec tail -f /dev/null', 1)
    const [pid] = await shell('echo $$; exec tail -f /dev/null', 1)
    const family = new ProgramFamily(pid, 'mark', 'linux')
    expect(family.has(older)).toBe(false)
    expect(family.has(process.pid)).toBe(false)
    expect(family.has(2 ** 30)).toBe(false)
  })
})

describe('endTree', () => {
  it('ends a tree by taskkill on Windows, and does nothing elsewhere', async (context) => {
    if (process.platform === 'win32') context.skip('it would end one')
    const directory = await fakes({ taskkill: 'echo "$@" > "$0.args"; [ "$2" != 6 ]' })
    vi.stubEnv('PATH', `${directory}:${process.env.PATH}`)
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(endTree(5, 'linux')).toBe(false)
    expect(endTree(5, 'win32')).toBe(true)
    expect(readFileSync(join(directory, 'taskkill.args'), 'utf8')).toBe('/PID 5 /T /F\n')
    // It exits with 128 if there is no such process.
    expect(endTree(6, 'win32')).toBe(false)
    vi.stubEnv('PATH', '/nowhere')
    expect(endTree(5, 'win32')).toBe(false)
  })
})

/** A directory of shell scripts. */
async function fakes(scripts: Record<string, string>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  for (const [name, script] of Object.entries(scripts)) {
    await writeFile(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  }
  return directory
}
