import { calledBy } from '../caller.js'
import type { PortReservation } from '../loopback/port-reservation.js'
import { namesOf, readOptions } from '../options.js'
import type { ArgsForPort, ListeningChild, SpawnListeningOptions } from './listening-child.js'
import { start } from './start.js'

/**
 * Starts a program that takes its port as an argument. `args` is a function that returns the arguments for the port.
 *
 * portside calls the function once, when it holds the port and before it starts the program. If the function throws, the call rejects with
 * that error and the program does not start. The port is free, the number that you pass, or that of your reservation. By descriptor it is
 * the port of the listening socket. With `port: 'any'` there is no number yet, so the call rejects with ERR_INVALID_ARG_VALUE.
 *
 * @throws ERR_INVALID_ARG_TYPE if the function does not return an array of strings; also the errors of the other form
 * @example
 * ```ts
 * import { spawnListening } from 'portside'
 * import { expect } from 'vitest'
 *
 * const program = `require('node:http').createServer((req, res) => res.end('hello')).listen(process.argv[1])`
 * await using child = await spawnListening(process.execPath, (port) => ['-e', program, String(port)])
 * const response = await fetch(`http://localhost:${child.port}/`)
 * expect(await response.text()).toBe('hello')
 * ```
 * @see docs/programs.md#a-program-that-takes-its-port-as-an-argument
 */
export function spawnListening(
  command: string,
  args: (port: number) => readonly string[],
  options?: SpawnListeningOptions & { port?: number | PortReservation },
): Promise<ListeningChild>
/**
 * Starts a program and resolves when it is ready: it listens, and the listener belongs to it or to a process that it started.
 * portside never takes a listener of another process for it.
 *
 * - By port, the program gets a number in `PORT`. The kernel holds that port until the program listens.
 * - With `port: 'any'` the program picks its port, and portside finds it.
 * - By descriptor, the program gets the listening socket as descriptor 3, with `LISTEN_FDS=1` and `LISTEN_PID` as in
 *   sd_listen_fds(3), and no `PORT`. It is ready when it accepts a connection.
 *
 * When this process or thread ends, in any way, the program and the processes that it started end too. The program has its own
 * session and process group, if the system has groups.
 *
 * Disposing stops the program. It rejects with ERR_PORTSIDE_CHILD_EXITED if the program failed before anything called `stop()`.
 *
 * @throws ERR_PORTSIDE_NOT_READY if the program is not ready in time; see `lastAnswer`, `output` and `listensOn`
 * @throws ERR_PORTSIDE_PORT_TAKEN if it is not ready in time and another program listens on the port; see `owner`
 * @throws ERR_PORTSIDE_CHILD_EXITED if the program exits first; see `exitCode`, `signal`, `stderr` and `stdout`
 * @throws ENOENT if the program, its interpreter or the directory does not exist
 * @throws EACCES if the program is not executable
 * @throws ERR_PORTSIDE_UNSUPPORTED by descriptor on Windows, or with `port: 'any'` on a system without a table of sockets
 * @throws ABORT_ERR if `signal` aborts before the program is ready
 * @throws ERR_INVALID_ARG_TYPE if an argument has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an argument has an invalid value
 * @throws ERR_OUT_OF_RANGE if a number is out of range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @throws as `reservePort()` if the port cannot be reserved
 * @example
 * ```ts
 * import { spawnListening } from 'portside'
 * import { expect } from 'vitest'
 *
 * const program = `require('node:http').createServer((req, res) => res.end('hello')).listen(process.env.PORT)`
 * await using child = await spawnListening(process.execPath, ['-e', program], { ready: { http: '/' } })
 * const response = await fetch(`http://localhost:${child.port}/`)
 * expect(await response.text()).toBe('hello')
 * ```
 * @see `docs/programs.md#spawnlistening`
 */
export function spawnListening(
  command: string,
  args?: readonly string[],
  options?: SpawnListeningOptions,
): Promise<ListeningChild>
export function spawnListening(
  command: string,
  args: readonly string[] | ArgsForPort = [],
  options: SpawnListeningOptions = {},
): Promise<ListeningChild> {
  return calledBy(spawnListening, async () => {
    const given = readOptions(options, SPEC)
    return start(command, args, given)
  })
}

const SPEC = {
  of: 'spawnListening()',
  names: namesOf<SpawnListeningOptions>()(
    'cwd',
    'env',
    'by',
    'port',
    'match',
    'family',
    'host',
    'ready',
    'timeout',
    'output',
    'stopSignal',
    'grace',
    'backlog',
    'signal',
  ),
  example: "{ ready: { http: '/health' } }",
  instead: {
    shell: 'leave it out: pass the program and its arguments, as spawn() without a shell takes them',
    stdio: 'pass output',
    detached: 'leave it out: the program ends with this process',
    killSignal: 'pass stopSignal',
    url: "pass ready: { http: '/path' }",
    reuseExistingServer: 'leave it out: a listener of another process is not the program',
  },
}
