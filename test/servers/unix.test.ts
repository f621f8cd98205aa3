import { existsSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import type net from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connectionTuple, listenUnix } from '../../src/index.js'
import { namedBy } from '../../src/loopback/endpoint-like.js'
import { longestUnixPath } from '../../src/platform/unix-path.js'
import { needsAbstractName, needsSocketFile, whyNoSocketFile } from '../support/abilities.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

describe('listenUnix', () => {
  it('makes its path, and removes it with the directory', async (context) => {
    needsSocketFile(context)
    const server = await listenUnix()
    expect(server).toMatchObject({ address: server.path, port: 0, family: 'Unix', url: { protocol: 'unix:' } })
    expect(decodeURIComponent(server.url.pathname)).toBe(server.path)
    expect(existsSync(server.path)).toBe(true)
    await server.close()
    expect(existsSync(dirname(server.path))).toBe(false)
  })

  it.skipIf(whyNoSocketFile !== undefined).each<[string, (directory: string) => string]>([
    ['a simple path', (directory) => `${directory}/s.sock`],
    ['two slashes at its beginning', (directory) => `/${directory}/s.sock`],
    ['two slashes', (directory) => `${directory}//s.sock`],
    ['a dot', (directory) => `${directory}/./s.sock`],
    ['two dots', (directory) => `${directory}/../${basename(directory)}/s.sock`],
    ['characters of URLs', (directory) => `${directory}/a b%2F?#&:`],
  ])('has in its URL the path with %s', async (_, pathIn) => {
    const path = pathIn(await temporary())
    await using server = await listenUnix(undefined, { path })
    expect(decodeURIComponent(server.url.pathname)).toBe(path)
    expect(namedBy(server.url)).toEqual([{ path }])
  })

  it('echoes without a handler', async () => {
    const server = await listenUnix()
    const client = await server.connect()
    client.write('hello')
    expect(String(await new Promise((resolve) => client.once('data', resolve)))).toBe('hello')
    expect(connectionTuple([...server.connections][0] as net.Socket)).toMatchObject({
      protocol: 'unix',
      local: server.path,
    })
    const report = await server.close()
    expect(report).toMatchObject({ closed: 1, destroyed: 0 })
  })

  it('closes immediately although its client has not read', async () => {
    const server = await listenUnix()
    const client = await server.connect()
    client.write('hello')
    while (client.readableLength === 0) await new Promise(setImmediate)
    expect(await server.close({ grace: 60_000 })).toMatchObject({ closed: 1 })
  })

  it('listens on an abstract name, which has no file', async (context) => {
    needsAbstractName(context)
    const server = await listenUnix(undefined, { path: `\0portside-test-${process.pid}` })
    await server.connect()
    await server.close()
  })

  it('rejects a path that the kernel would cut off', async (context) => {
    const longest = longestUnixPath()
    if (longest === undefined) context.skip('a path may have any length here')
    const path = join(tmpdir(), 'x'.repeat(longest ?? 0))
    await expect(listenUnix(undefined, { path })).rejects.toMatchObject({
      code: 'ENAMETOOLONG',
      message: expect.stringContaining(
        `  expected   a path of at most ${longest} bytes\n  got        ${Buffer.byteLength(path)}\n`,
      ),
    })
  })

  it('names the process that listens on the path', async (context) => {
    needsSocketFile(context)
    await using server = await listenUnix()
    await expect(listenUnix(undefined, { path: server.path })).rejects.toMatchObject({
      code: 'EADDRINUSE',
      owners: [{ pid: process.pid, thisProcess: true }],
      message: expect.stringContaining(`\n  owner      this process (pid ${process.pid}) listens on ${server.path}`),
    })
  })

  it('rejects a path with a null byte, because Node would cut it off', async () => {
    const path = join(await temporary(), 'x\0y')
    await expect(listenUnix(undefined, { path })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_VALUE',
      argument: 'path',
    })
  })

  it('accepts a path of exactly the longest length', async (context) => {
    needsSocketFile(context)
    const directory = await temporary()
    const path = `${directory}/`.padEnd(longestUnixPath() ?? 0, 'x')
    const server = await listenUnix(undefined, { path })
    await server.connect()
    await server.close()
  })

  it('says whether an existing path is a file, a live socket or a dead socket', async (context) => {
    needsSocketFile(context)
    const directory = await temporary()
    const file = join(directory, 'file')
    writeFileSync(file, '')
    await expect(listenUnix(undefined, { path: file })).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: expect.stringContaining('\n  got        a file, not a socket\n'),
    })
    await expect(listenUnix(undefined, { path: directory })).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: expect.stringContaining('\n  got        a directory, not a socket\n'),
    })
    const server = await listenUnix()
    await expect(listenUnix(undefined, { path: server.path })).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: expect.stringContaining('\n  got        a socket that has a listener\n'),
    })
    await server.close()
  })

  it('names the directory that is missing', async (context) => {
    needsSocketFile(context)
    const path = join(await temporary(), 'none', 's.sock')
    await expect(listenUnix(undefined, { path })).rejects.toMatchObject({
      message: expect.stringMatching(
        /^Cannot listen on .*none\/s\.sock: E.*\.\n {2}cause {6}there is no directory .*none\n {2}fix {8}create the directory first/,
      ),
    })
  })

  it.each([{ host: '127.0.0.1' }, { port: 1 }, { family: 'IPv4' }])(
    'rejects %o, which a path does not have',
    async (options) => {
      await expect(listenUnix(undefined, options as object)).rejects.toMatchObject({
        code: 'ERR_PORTSIDE_UNKNOWN_OPTION',
        argument: Object.keys(options)[0],
        next: 'leave it out: a path has no host, port or family',
      })
    },
  )

  it.each([5, '', null])('rejects the path %o', async (path) => {
    await expect(listenUnix(undefined, { path: path as string })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
    })
  })
})

async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'p-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}
