import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { codeOf } from '../errors.js'
import { kindOfFile, longestUnixPath, whyNoSocketName } from '../platform/unix-path.js'
import { describeOwner, type SocketOwner } from '../socket-table/owners.js'
import { type Circumstances, denied, heldBy } from './circumstances.js'
import { type Classification, isBinding } from './classify.js'
import { list } from './describe.js'
import { unanswered } from './peer-circumstances.js'
import type { SocketFailure } from './socket-failure.js'

/** Looks up the cause of a failure of a unix socket. */
export function circumstancesOfPath(
  path: string,
  failure: SocketFailure,
  known: Classification,
  usual: Circumstances,
): Circumstances {
  if (known.kind === 'path-too-long') return tooLong(path)
  const owners = known.lookup.owners(path, undefined)
  const listeners = owners?.filter(({ state }) => state === 'LISTEN') ?? []
  switch (known.kind) {
    case 'timed-out':
    case 'given-up-by-node':
    case 'given-up-by-library':
      return unanswered(known, listeners, usual)
    case 'conflict':
      return occupied(path, owners, usual)
    case 'forbidden':
      return denied(failure, usual) ?? misnamed(path, usual) ?? forbidden(path, usual)
    case 'refused':
      return misnamed(path, usual) ?? refused(path, listeners, usual)
    case 'wrong-path':
      return misnamed(path, usual) ?? { ...usual, owners: listeners }
    case 'invalid-call':
      return isBinding(failure.syscall)
        ? usual
        : { ...usual, cause: 'the socket is already connected', owners: listeners }
    default:
      return { ...usual, owners: listeners }
  }
}

function tooLong(path: string): Circumstances {
  const longest = longestUnixPath()
  const limit = longest === undefined ? '' : `, and the limit is ${longest} (unix(7))`
  return {
    cause: `the path is too long for a socket: it has ${Buffer.byteLength(path)} bytes${limit}`,
    owners: [],
    hints: ['use a shorter directory, or let listenUnix() choose the path'],
  }
}

function occupied(path: string, owners: SocketOwner[] | undefined, usual: Circumstances): Circumstances {
  if (owners !== undefined && owners.length > 0) return heldBy(owners, usual)
  const kind = kindOfFile(path)
  if (kind === 'directory' || kind === 'file') {
    return {
      ...usual,
      cause: `there is a ${kind} at this path, not a socket`,
      hints: [ANOTHER],
      evidence: [`a ${kind} at the path`],
    }
  }
  if (owners === undefined || kind === undefined) return usual
  return {
    ...usual,
    // The table covers one network namespace, but the file may be visible in several.
    cause: 'nothing listens on it here: a killed server left the file behind, or a server in another container uses it',
    hints: ['remove the file before the server listens, if nothing else uses it, or let listenUnix() choose the path'],
  }
}

const ANOTHER = 'use another path, or let listenUnix() choose one'

function forbidden(path: string, usual: Circumstances): Circumstances {
  // libuv gives EACCES for ENOENT of a bind (uv_pipe_bind in src/unix/pipe.c).
  const directory = dirname(path)
  if (isMissing(directory)) {
    const hints = ['create the directory first, or let listenUnix() choose the path']
    return { ...usual, cause: `there is no directory ${directory}`, hints, evidence: [`${directory} does not exist`] }
  }
  const cause =
    'one of: the mode of the file, or of a directory above it, denies access to this user; its file system, like /proc, supports no sockets'
  return { ...usual, cause, hints: ['let listenUnix() choose the path', 'look at the modes (namei -l PATH)'] }
}

/** The cause for a path that cannot name a socket on this system. */
function misnamed(path: string, usual: Circumstances): Circumstances | undefined {
  const wrong = whyNoSocketName(path)
  return wrong === undefined ? undefined : { ...usual, cause: wrong, hints: ['let listenUnix() choose the path'] }
}

function isMissing(directory: string): boolean {
  try {
    statSync(directory)
    return false
  } catch (error) {
    return codeOf(error) === 'ENOENT'
  }
}

function refused(path: string, listeners: SocketOwner[], usual: Circumstances): Circumstances {
  if (listeners.length > 0) {
    const cause = `nothing listened there when you tried; now ${list(listeners.map(describeOwner))}`
    return { ...usual, cause, owners: listeners }
  }
  if (path.startsWith('\0')) return { ...usual, cause: 'nothing listens under this abstract name' }
  const kind = kindOfFile(path)
  if (kind === 'directory' || kind === 'file') {
    return {
      ...usual,
      cause: `there is a ${kind} at this path, not a socket`,
      hints: ['look at the path'],
      evidence: [`a ${kind} at the path`],
    }
  }
  if (kind === undefined) {
    return {
      ...usual,
      cause: 'nothing listens on it: its server is gone, and so is the file',
      evidence: ['nothing at the path'],
    }
  }
  return {
    ...usual,
    cause: 'the file exists, but nothing listens on it: its server is gone',
    evidence: ['a socket at the path, and no listener in the socket table'],
  }
}
