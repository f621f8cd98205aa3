import type { SpawnOptions } from 'node:child_process'
import { readOptions } from '../options.js'

/** The options of `child_process.spawn()` that have a meaning in a private network. */
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

/** Reads the options of `spawnInNamespace()`. What Node takes and a private network has not is refused by `checkSpawn()`. */
export const readSpawn = <Options extends object>(options: Options): Options =>
  readOptions(options, {
    of: 'spawnInNamespace()',
    names: [...SPAWN, 'root', 'shell', 'uid', 'gid', 'argv0'],
    example: "{ stdio: 'inherit' }",
    instead,
  })

/** The same of `spawn()` of a host. */
export const readHostSpawn = <Options extends object>(options: Options): Options =>
  readOptions(options, {
    of: 'host.spawn()',
    names: [...SPAWN, 'shell', 'uid', 'gid', 'argv0'],
    example: "{ stdio: 'inherit' }",
    instead: { ...instead, root: 'pass root to createNetwork()' },
  })
