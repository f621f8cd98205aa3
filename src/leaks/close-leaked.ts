import type { ChildProcess } from 'node:child_process'
import type net from 'node:net'
import { inspect } from 'node:util'
import { turn } from '../timers.js'
import { TURNS } from './grace.js'
import { printReport } from './report.js'
import { handlesOf, openPipes, type TrackedSocket } from './tracked-socket.js'

/** Closes a leaked socket. Not awaited: the test no longer holds it. */
export function closeLeaked(record: TrackedSocket): void {
  const { kind, socket } = record
  if (!record.open) return
  try {
    if (kind === 'listener' || kind === 'udp') (socket as net.Server).close()
    else if (kind === 'child') endChild(socket as ChildProcess)
    else (socket as net.Socket).destroy()
    // The handle was taken away from the socket.
    if (record.handle !== undefined && record.open) record.handle?.close?.()
  } catch {
    // It closed meanwhile, or the user has replaced its close method by a method that throws. The leak is already reported.
  }
}

/**
 * Closes leaked sockets at the end of a file. A client may object, such as a pool of pg without a listener for 'error'. Its error is
 * printed, because it would end the process before the runner has reported the leak.
 */
export async function closeAll(records: readonly TrackedSocket[]): Promise<void> {
  const open = records.filter((record) => record.open)
  if (open.length === 0) return
  const release = captureUncaught((error) => {
    const [what] = inspect(error).split('\n', 1)
    printReport(`portside: a client threw when its leaked socket closed: ${what}`)
  })
  try {
    for (const record of open) closeLeaked(record)
    for (let turns = 0; turns < TURNS; turns++) await turn()
  } finally {
    release()
  }
}

/**
 * From here on, leaked sockets do not keep the process alive. Their clients do not notice: they are not closed. A request to libuv that
 * only ends with its socket would keep the process alive, so such a socket is closed.
 */
export async function unrefAll(records: readonly TrackedSocket[]): Promise<void> {
  for (const record of records) {
    if (record.kind === 'child') (record.socket as ChildProcess | undefined)?.unref()
    for (const handle of handlesOf(record)) handle.unref?.()
  }
  await closeAll(records.filter(hasRequest))
}

function hasRequest(record: TrackedSocket): boolean {
  if (record.kind !== 'client' && record.kind !== 'accepted') return false
  return record.connecting || handlesOf(record).some(({ writeQueueSize = 0 }) => writeQueueSize > 0)
}

/** Returns a function that undoes it. Does nothing where a function of the user already captures, or a domain does. */
function captureUncaught(capture: (error: unknown) => void): () => void {
  try {
    process.setUncaughtExceptionCaptureCallback(capture)
  } catch {
    return () => {}
  }
  return () => process.setUncaughtExceptionCaptureCallback(null)
}

function endChild(child: ChildProcess): void {
  child.kill()
  // A grandchild may hold the pipes open.
  if (openPipes(child).length > 0) for (const stream of child.stdio) stream?.destroy()
}
