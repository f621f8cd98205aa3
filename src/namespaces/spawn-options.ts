import type { SpawnOptions } from 'node:child_process'
import { constants } from 'node:os'
import { checkBoolean, readArgument } from '../argument.js'
import { invalidArgument } from '../errors.js'
import { milliseconds } from '../numbers.js'
import { readOptions } from '../options.js'
import { handleOf } from '../platform/node-internals.js'

/** The options of `child_process.spawn()` that a private network supports. */
const SPAWN = [
  'cwd',
  'env',
  'stdio',
  'detached',
  'serialization',
  'timeout',
  'killSignal',
  'signal',
  'windowsHide',
  'windowsVerbatimArguments',
] as const satisfies ReadonlyArray<keyof SpawnOptions | 'serialization'>

const NONE = 'leave it out: a program in a private network cannot have it'
const instead = { shell: NONE, uid: NONE, gid: NONE, argv0: NONE }

/** Reads the options of `spawnInNamespace()`. `checkSpawn()` rejects the options of Node that are not supported. */
export const readSpawn = <Options extends object>(options: Options): Options =>
  readOptions(options, {
    of: 'spawnInNamespace()',
    names: [...SPAWN, 'root', 'shell', 'uid', 'gid', 'argv0'],
    example: "{ stdio: 'inherit' }",
    instead,
  })

/** Reads the options of `spawn()` of a host. */
export const readHostSpawn = <Options extends object>(options: Options): Options =>
  readOptions(options, {
    of: 'host.spawn()',
    names: [...SPAWN, 'shell', 'uid', 'gid', 'argv0'],
    example: "{ stdio: 'inherit' }",
    instead: { ...instead, root: 'pass root to createNetwork()' },
  })

/**
 * Throws ERR_INVALID_ARG_TYPE, ERR_INVALID_ARG_VALUE or ERR_OUT_OF_RANGE for an invalid value. Node would check it only after
 * the private network is made.
 */
export function checkSpawnValues(options: SpawnOptions & { serialization?: unknown }): void {
  for (const name of ['detached', 'windowsHide', 'windowsVerbatimArguments'] as const) checkBoolean(name, options[name])
  const { timeout, killSignal, serialization, stdio } = options
  // Node allows an integer.
  if (timeout !== undefined && !Number.isInteger(milliseconds('timeout', timeout))) {
    throw invalidArgument('ERR_OUT_OF_RANGE', 'timeout', 'an integer', timeout)
  }
  const { signals } = constants
  if (killSignal !== undefined && !Object.entries(signals).some((pair) => (pair as unknown[]).includes(killSignal))) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'killSignal', 'a signal of this system, such as SIGTERM', killSignal)
  }
  if (serialization !== undefined && serialization !== 'json' && serialization !== 'advanced') {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'serialization', "'json' or 'advanced'", serialization)
  }
  if (stdio !== undefined) readArgument('stdio', STDIO, stdio, () => isStdio(stdio) || undefined)
}

const STDIO = "'pipe', 'ignore', 'inherit', or an array of these, of 'ipc', streams and descriptors"
const STREAMS: readonly unknown[] = ['pipe', 'overlapped', 'ignore', 'inherit']

function isStdio(stdio: unknown): boolean {
  if (!Array.isArray(stdio)) return STREAMS.includes(stdio)
  const all = Array.from<unknown>(stdio)
  return all.every(isStream) && all.filter((each) => each === 'ipc').length < 2
}

function isStream(value: unknown): boolean {
  if (value === undefined || value === null || value === 'ipc' || STREAMS.includes(value)) return true
  if (typeof value === 'number') return Number.isInteger(value) && value >= 0 && value < 2 ** 31
  // A stream of Node has a descriptor, or a handle when it is open.
  return typeof (value as { fd?: unknown }).fd === 'number' || handleOf(value as object) !== undefined
}
