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
    // Its handle was taken away from it.
    if (record.handle !== undefined && record.open) record.handle?.close?.()
  } catch {
    // Closed meanwhile, or its close method was replaced by the user and throws. The leak is reported already.
  }
}

function endChild(child: ChildProcess): void {
  child.kill()
  // Somebody below it may hold the pipes open.
  if (openPipes(child).length > 0) for (const stream of child.stdio) stream?.destroy()
}
