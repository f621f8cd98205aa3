import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { portside, start } from './command-line.js'

describe('portside when its reader has closed the pipe', () => {
  it.each([
    ['help', ['--help'], 0],
    ['an answer', ['who', '1', '--json'], 1],
  ] as const)('prints nothing and exits with the same code as with a reader: %s', async (_, args, code) => {
    const child = start(args)
    // The reader exits long before Node has started.
    child.stdout!.destroy()
    const [stderr, ended] = await Promise.all([text(child.stderr!), once(child, 'close')])
    expect({ stderr, ended }).toEqual({ stderr: '', ended: [code, null] })
  })

  it('exits with the verdict of doctor --json', async () => {
    const { code } = await portside('doctor', '--json')
    const child = start(['doctor', '--json'])
    child.stdout!.destroy()
    const [stderr, ended] = await Promise.all([text(child.stderr!), once(child, 'close')])
    expect({ stderr, ended }).toEqual({ stderr: '', ended: [code, null] })
  })

  it('exits with 2 for invalid arguments when the reader of standard error is gone', async () => {
    const child = start(['nope'])
    child.stderr!.destroy()
    expect(await once(child, 'close')).toEqual([2, null])
  })
})

describe.skipIf(!existsSync('/dev/full'))('portside on a device without space', () => {
  function full(): number {
    const fd = openSync('/dev/full', 'w')
    onTestFinished(() => closeSync(fd))
    return fd
  }

  it.each([
    [['--help']],
    [['--version']],
    [['doctor']],
    [['doctor', '--json']],
    [['who', '1']],
    [['who', '1', '--json']],
  ])('exits with 1 and prints one line: %j', async (args) => {
    const child = start(args, { stdio: ['ignore', full(), 'pipe'] })
    const [stderr, ended] = await Promise.all([text(child.stderr!), once(child, 'close')])
    expect({ stderr, ended }).toEqual({
      stderr: 'portside: cannot write to standard output: ENOSPC: no space left on device, write\n',
      ended: [1, null],
    })
  })

  it.each([
    [['nope'], 2],
    [['who', 'no..host:5'], 2],
  ] as const)('exits with the usual code when standard error has no space: %j', async (args, code) => {
    const child = start(args, { stdio: ['ignore', 'ignore', full()] })
    expect(await once(child, 'close')).toEqual([code, null])
  })

  it('exits with 1 when neither output has space', async () => {
    const child = start(['--help'], { stdio: ['ignore', full(), full()] })
    expect(await once(child, 'close')).toEqual([1, null])
  })
})
