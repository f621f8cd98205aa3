import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished, type TestContext } from 'vitest'
import { HERE } from './here.js'

// The abilities that systems have or lack. Each is probed by using it. A reason is undefined if the ability is there.

/** Why a socket cannot be a file here. On Windows a path is the name of a pipe, and Node refuses others with EACCES. */
export const whyNoSocketFile: string | undefined = await inFolder(async (folder) => {
  const why = await whyNotListening({ path: join(folder, 's.sock') })
  return why && `a socket cannot be a file here: ${why}`
})

/** Why a socket cannot have an abstract name here, as on Linux (unix(7)). */
export const whyNoAbstractName: string | undefined = await whyNotListening({ path: `\0portside-${randomUUID()}` }).then(
  (why) => why && `a socket cannot have an abstract name here: ${why}`,
)

/** Why this host lacks a second address of 127.0.0.0/8. macOS has only 127.0.0.1. */
export const whyNoSecondAddress: string | undefined = await whyNotListening({ host: '127.0.0.9', port: 0 }).then(
  (why) => why && `this host has no address 127.0.0.9: ${why}`,
)

/** Why no shell script can run here. */
export const whyNoShell: string | undefined = whyNotStarted('sh', ['-c', ':'])

/**
 * Why neither end of a connection by path can end alone here. On Windows, libuv closes a pipe 50 ms after its end, even if the
 * other end does not end (`eof_timeout` in its src/win/pipe.c).
 */
export const whyNoHalfOpenPath: string | undefined = await withConnection(pathOrPipe, async (server, client) => {
  server.on('error', () => {})
  client.on('error', () => {})
  const answer = once(server, 'data').then(() => true)
  const closed = once(server, 'close').then(() => false)
  client.resume().once('end', () => void client.write('after the end'))
  server.end()
  if (await Promise.race([answer, closed])) return undefined
  return 'an end of a connection by path cannot end alone here: it closes before the other end has answered'
})

/** Why two servers can listen on one path here. Wine does not know FILE_FLAG_FIRST_PIPE_INSTANCE, by which Windows refuses the second. */
export const whyNoExclusivePath: string | undefined = await withListener(pathOrPipe, async (_server, path) => {
  const code = await whyNotListening({ path: path as string })
  return code === undefined ? 'two servers can listen on the same path here' : undefined
})

/** Why a file has no mode of its own here. Windows knows only whether it is read-only. */
export const whyNoFileMode: string | undefined = await inFolder(async (folder) => {
  const file = join(folder, 'file')
  writeFileSync(file, '', { mode: 0o600 })
  const mode = statSync(file).mode & 0o777
  return mode === 0o600 ? undefined : `a file that is made with the mode 600 here has the mode ${mode.toString(8)}`
})

/** Why a writer of eight megabytes does not wait for its reader here. Wine takes all bytes immediately. */
export const whyNoFullBuffers: string | undefined = await withConnection(onLoopback, async (server) => {
  return (await isTaken(server, 8_000_000))
    ? 'the system takes eight megabytes here that the client does not read'
    : undefined
})

/** Why a connection by path holds fewer than 200,000 unread bytes here. A pipe of Windows holds 64 KiB, a socket of macOS 8 KiB. */
export const whyLittleRoomInPath: string | undefined = await withConnection(pathOrPipe, async (server) => {
  return (await isTaken(server, 200_000)) ? undefined : 'a connection by path holds fewer than 200000 unread bytes here'
})

export const needsSocketFile = (context: TestContext): void => skipFor(context, whyNoSocketFile)
export const needsAbstractName = (context: TestContext): void => skipFor(context, whyNoAbstractName)
export const needsSecondAddress = (context: TestContext): void => skipFor(context, whyNoSecondAddress)
export const needsShell = (context: TestContext): void => skipFor(context, whyNoShell)
export const needsExclusivePath = (context: TestContext): void => skipFor(context, whyNoExclusivePath)
export const needsFileMode = (context: TestContext): void => skipFor(context, whyNoFileMode)
export const needsHalfOpenPath = (context: TestContext): void => skipFor(context, whyNoHalfOpenPath)
export const needsFullBuffers = (context: TestContext): void => skipFor(context, whyNoFullBuffers)
export const needsRoomInPath = (context: TestContext): void => skipFor(context, whyLittleRoomInPath)

/** A path that nothing listens on: of a file in a directory that is removed after the test, or else of a named pipe. */
export function freePath(): string {
  if (whyNoSocketFile !== undefined) return freePipe()
  const directory = mkdtempSync(join(tmpdir(), 'portside-test-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'socket')
}

function freePipe(): string {
  return `\\\\.\\pipe\\portside-test-${randomUUID()}`
}

function pathOrPipe(folder: string): net.ListenOptions {
  return { path: whyNoSocketFile === undefined ? join(folder, 's.sock') : freePipe() }
}

function onLoopback(): net.ListenOptions {
  return { host: HERE, port: 0 }
}

/** Calls `use` with both ends of a connection. They stay open after their ends, and are destroyed when it has resolved. */
function withConnection<T>(
  place: (folder: string) => net.ListenOptions,
  use: (server: net.Socket, client: net.Socket) => Promise<T>,
): Promise<T> {
  return withListener(place, async (server, address) => {
    const accepted = once(server, 'connection') as Promise<[net.Socket]>
    const target = typeof address === 'string' ? { path: address } : { host: address.address, port: address.port }
    const client = net.connect({ ...target, allowHalfOpen: true })
    const [socket] = await accepted
    try {
      return await use(socket, client)
    } finally {
      for (const end of [socket, client]) end.destroy()
    }
  })
}

/** Calls `use` with a listener that keeps its connections half open, and closes it when `use` has resolved. */
function withListener<T>(
  place: (folder: string) => net.ListenOptions,
  use: (server: net.Server, address: net.AddressInfo | string) => Promise<T>,
): Promise<T> {
  return inFolder(async (folder) => {
    const server = net.createServer({ allowHalfOpen: true }).listen(place(folder))
    await once(server, 'listening')
    try {
      return await use(server, server.address() as net.AddressInfo | string)
    } finally {
      const closed = once(server, 'close')
      server.close()
      await closed
    }
  })
}

/** Whether the system takes so many bytes although the client does not read. */
async function isTaken(socket: net.Socket, bytes: number): Promise<boolean> {
  socket.on('error', () => {}).write(Buffer.alloc(bytes))
  for (let turns = 0; turns < 10; turns++) await new Promise((resolve) => void setImmediate(resolve))
  return socket.writableLength === 0
}

function skipFor(context: TestContext, why: string | undefined): void {
  if (why !== undefined) context.skip(why)
}

async function whyNotListening(options: net.ListenOptions): Promise<string | undefined> {
  const server = net.createServer()
  try {
    await once(server.listen(options), 'listening')
  } catch (error) {
    return (error as Error).message
  }
  server.close()
  await once(server, 'close')
  return undefined
}

async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'portside-test-'))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function whyNotStarted(program: string, args: readonly string[]): string | undefined {
  const { error } = spawnSync(program, args)
  return error && `${program} cannot be started: ${error.message}`
}
