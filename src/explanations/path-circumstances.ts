import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { codeOf } from '../errors.js'
import { kindOfFile, longestUnixPath } from '../platform/unix-path.js'
import { describeOwner, type SocketOwner } from '../socket-table/owners.js'
import { type Circumstances, heldBy } from './circumstances.js'
import { type Classification, isBinding } from './classify.js'
import { list } from './describe.js'
import { unanswered } from './peer-circumstances.js'
import type { SocketFailure } from './socket-failure.js'

/** What can be found out about a failure of a unix socket. */
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
      return forbidden(path, usual)
    case 'refused':
      return refused(path, listeners, usual)
    case 'invalid-call':
      return isBinding(failure.syscall)
        ? usual
        : { ...usual, cause: 'the socket is connected already', owners: listeners }
    default:
      return { ...usual, owners: listeners }
  }
}

function tooLong(path: string): Circumstances {
  const longest = longestUnixPath()
  return {
    cause: `the path is too long for a socket: it has ${Buffer.byteLength(path)} bytes, and the kernel keeps ${longest} (unix(7))`,
    owners: [],
    hints: ['use a shorter directory, or leave the path to listenUnix()'],
  }
}

function occupied(path: string, owners: SocketOwner[] | undefined, usual: Circumstances): Circumstances {
  if (owners !== undefined && owners.length > 0) return heldBy(owners, usual)
  const kind = kindOfFile(path)
  if (kind === 'directory' || kind === 'file') {
    return {
      ...usual,
      cause: `there is a ${kind} at this path, and no socket`,
      hints: [ANOTHER],
      evidence: [`a ${kind} at the path`],
    }
  }
  if (owners === undefined || kind === undefined) return usual
  return {
    ...usual,
    // The table is that of one network namespace, and the file may be seen from several.
    cause:
      'nobody listens on it here: a server that was killed has left the file behind, unless it is one in another container',
    hints: ['remove the file before the server listens, if nobody else uses it, or leave the path to listenUnix()'],
  }
}

const ANOTHER = 'take another path, or leave it to listenUnix()'

function forbidden(path: string, usual: Circumstances): Circumstances {
  // libuv gives EACCES for ENOENT of a bind (uv_pipe_bind in src/unix/pipe.c).
  const directory = dirname(path)
  if (isMissing(directory)) {
    const hints = ['make the directory first, or leave the path to listenUnix()']
    return { ...usual, cause: `there is no directory ${directory}`, hints, evidence: [`${directory} does not exist`] }
  }
  const cause =
    'one of: the mode of the file, or of a directory on its way, keeps this user out; its file system takes no sockets, as that of /proc'
  return { ...usual, cause, hints: ['leave the path to listenUnix()', 'look at the modes (namei -l PATH)'] }
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
    const cause = `nobody listened there when it was dialled; now ${list(listeners.map(describeOwner))}`
    return { ...usual, cause, owners: listeners }
  }
  if (path.startsWith('\0')) return { ...usual, cause: 'nobody listens under this abstract name' }
  const kind = kindOfFile(path)
  if (kind === 'directory' || kind === 'file') {
    return {
      ...usual,
      cause: `there is a ${kind} at this path, and no socket`,
      hints: ['look at the path'],
      evidence: [`a ${kind} at the path`],
    }
  }
  if (kind === undefined) {
    return {
      ...usual,
      cause: 'nobody listens on it: its server had ended, and the file is gone now',
      evidence: ['nothing at the path'],
    }
  }
  return {
    ...usual,
    cause: 'the file is there, and nobody listens on it: its server has ended',
    evidence: ['a socket at the path, and no listener in the socket table'],
  }
}
