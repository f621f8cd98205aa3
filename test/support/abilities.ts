import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished, type TestContext } from 'vitest'

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

export const needsSocketFile = (context: TestContext): void => skipFor(context, whyNoSocketFile)
export const needsAbstractName = (context: TestContext): void => skipFor(context, whyNoAbstractName)
export const needsSecondAddress = (context: TestContext): void => skipFor(context, whyNoSecondAddress)
export const needsShell = (context: TestContext): void => skipFor(context, whyNoShell)

/** A path that nothing listens on: of a file in a directory that is removed after the test, or else of a named pipe. */
export function freePath(): string {
  if (whyNoSocketFile !== undefined) return `\\\\.\\pipe\\portside-test-${randomUUID()}`
  const directory = mkdtempSync(join(tmpdir(), 'portside-test-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'socket')
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
