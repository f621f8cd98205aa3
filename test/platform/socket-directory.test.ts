import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { markOfThisProcess } from '../../src/platform/process-mark.js'
import { sweepSocketDirectories } from '../../src/platform/socket-directory.js'
import { until } from '../support/clients.js'

const PROGRAM = fileURLToPath(new URL('../../fixtures/programs/listen-unix.mjs', import.meta.url))

let parent: string
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'sweep-'))
  onTestFinished(() => rmSync(parent, { recursive: true }))
})

describe.skipIf(process.platform === 'win32')('a directory of listenUnix()', () => {
  it('is removed when the process exits', async () => {
    const { child, path } = await listening()
    expect(existsSync(path)).toBe(true)
    child.stdin?.end()
    expect(await once(child, 'close')).toEqual([0, null])
    expect(readdirSync(parent)).toEqual([])
  })

  it('is removed by a later process if its own was killed, and stays while that runs', async () => {
    const killed = await listening()
    const running = await listening()
    // The directory is complete from the start, whenever its process is killed.
    expect(readlinkSync(join(dirname(killed.path), 'owner'))).toContain(` ${killed.child.pid} `)
    killed.child.kill('SIGKILL')
    await once(killed.child, 'close')

    const later = await listening()
    await until(() => !existsSync(dirname(killed.path)))
    expect(
      readdirSync(parent)
        .map((name) => join(parent, name))
        .sort(),
    ).toEqual([running, later].map(({ path }) => dirname(path)).sort())
    for (const { child } of [running, later]) {
      child.stdin?.end()
      await once(child, 'close')
    }
    expect(readdirSync(parent)).toEqual([])
  })
})

describe.skipIf(process.platform === 'win32')('the sweep', () => {
  const mark = markOfThisProcess() ?? ''
  // No process has a pid above PID_MAX_LIMIT, 2 to the power of 22 (proc_sys_kernel(5)).
  const ended = mark.replace(/ \d+ (\S+)$/, ' 4194305 $1')

  it('removes the directory of an exited process', async () => {
    leave('portside-aaaaaa', { owner: ended, 's.sock': '' })
    leave('portside-bbbbbb', { owner: ended })
    await sweepSocketDirectories(parent)
    expect(readdirSync(parent)).toEqual([])
  })

  it('removes an empty directory a minute after its process was killed', async () => {
    for (const name of ['portside-aaaaaa', 'portside-bbbbbb']) leave(name, {})
    const old = new Date(Date.now() - 61_000)
    utimesSync(join(parent, 'portside-aaaaaa'), old, old)
    await sweepSocketDirectories(parent)
    expect(readdirSync(parent)).toEqual(['portside-bbbbbb'])
  })

  it.skipIf(process.platform !== 'linux')('removes the directory of an earlier process with the same pid', async () => {
    leave('portside-aaaaaa', { owner: mark.replace(/\d+$/, '1'), 's.sock': '' })
    await sweepSocketDirectories(parent)
    expect(readdirSync(parent)).toEqual([])
  })

  it.each<[string, string, Record<string, string>, number?]>([
    ['a process that runs', 'portside-aaaaaa', { owner: mark }],
    ['another boot of the machine', 'portside-aaaaaa', { owner: ended.replace(/^\S+?:[^:]*/, 'linux:other') }],
    ['another PID namespace, or another machine', 'portside-aaaaaa', { owner: ended.replace(/^(\S+):\S+/, '$1:1') }],
    ['a version that wrote no owner', 'portside-aaaaaa', { 's.sock': '' }],
    ['an owner of another form', 'portside-aaaaaa', { owner: `${ended}more` }],
    ['files of another program', 'portside-aaaaaa', { owner: ended, 's.sock': '', 'notes.txt': '' }],
    ['a directory that others may enter', 'portside-aaaaaa', { owner: ended }, 0o755],
    ['another name', 'portside-aaaaaaa', { owner: ended }],
    ['another prefix', 'portside2-aaaaa', { owner: ended }],
  ])('keeps %s', async (_, name, files, mode) => {
    leave(name, files, mode)
    await sweepSocketDirectories(parent)
    expect(readdirSync(join(parent, name))).toEqual(Object.keys(files).sort())
  })

  it('keeps directories of another user', async (context) => {
    if (process.getuid?.() !== 0) context.skip('only root can give a directory to another user')
    leave('portside-aaaaaa', { owner: ended })
    chownSync(join(parent, 'portside-aaaaaa'), 1234, 1234)
    await sweepSocketDirectories(parent)
    expect(readdirSync(parent)).toEqual(['portside-aaaaaa'])
  })

  it('keeps a directory whose owner file is not a link', async () => {
    leave('portside-aaaaaa', {})
    writeFileSync(join(parent, 'portside-aaaaaa/owner'), ended)
    await sweepSocketDirectories(parent)
    expect(readdirSync(join(parent, 'portside-aaaaaa'))).toEqual(['owner'])
  })

  it('does not follow links', async () => {
    const elsewhere = join(parent, 'elsewhere')
    leave('elsewhere', { owner: ended, 's.sock': '' })
    symlinkSync(elsewhere, join(parent, 'portside-aaaaaa'))
    leave('portside-bbbbbb', { owner: join(elsewhere, 'owner') })
    await sweepSocketDirectories(parent)
    expect(readdirSync(elsewhere)).toEqual(['owner', 's.sock'])
    expect(readdirSync(parent)).toEqual(['elsewhere', 'portside-aaaaaa', 'portside-bbbbbb'])
  })

  it('does nothing in a missing directory', async () => {
    await expect(sweepSocketDirectories(join(parent, 'none'))).resolves.toBeUndefined()
  })

  it('identifies a process by its pid alone on macOS', async () => {
    const ours = markOfThisProcess('darwin') ?? ''
    expect(ours).toMatch(new RegExp(`^darwin:\\S+ ${process.pid} -$`))
    leave('portside-aaaaaa', { owner: ours.replace(/ \d+ /, ' 4194305 '), 's.sock': '' })
    leave('portside-bbbbbb', { owner: ours })
    leave('portside-cccccc', { owner: ended })
    await sweepSocketDirectories(parent, 'darwin')
    expect(readdirSync(parent)).toEqual(['portside-bbbbbb', 'portside-cccccc'])
  })
})

function leave(name: string, files: Record<string, string>, mode = 0o700): void {
  const directory = join(parent, name)
  mkdirSync(directory)
  for (const [file, text] of Object.entries(files)) {
    if (file === 'owner') symlinkSync(text, join(directory, file))
    else writeFileSync(join(directory, file), text)
  }
  chmodSync(directory, mode)
}

/** A process that listens in `parent`. */
async function listening(): Promise<{ child: ChildProcess; path: string }> {
  const child = spawn(process.execPath, [PROGRAM], {
    env: { ...process.env, TMPDIR: parent },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [path] = await once(createInterface({ input: child.stdout! }), 'line')
  return { child, path }
}
