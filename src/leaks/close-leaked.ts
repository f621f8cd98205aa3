import type { ChildProcess } from 'node:child_process'
import type net from 'node:net'
import { openPipes, type TrackedSocket } from './tracked-socket.js'

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

function endChild(child: ChildProcess): void {
  child.kill()
  // A grandchild may hold the pipes open.
  if (openPipes(child).length > 0) for (const stream of child.stdio) stream?.destroy()
}
