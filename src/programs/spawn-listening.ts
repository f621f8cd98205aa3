import { calledBy } from '../caller.js'
import { namesOf, readOptions } from '../options.js'
import type { ListeningChild, SpawnListeningOptions } from './listening-child.js'
import { start } from './start.js'

/**
 * Starts a program and waits until it is ready: until it listens, and the listener belongs to it or to a process that it started.
 * A listener of another process is never taken for it.
 *
 * By port the program gets a number in `PORT`. The kernel holds that port until the program listens. With `port: 'any'` the
 * program picks its port and portside finds it. By descriptor it gets the listening socket as descriptor 3, with `LISTEN_FDS=1`
 * and `LISTEN_PID`, the protocol of sd_listen_fds(3), and no `PORT`; it is ready when it accepts a connection.
 *
 * The program is watched before its first instruction: when this process or thread ends, in whatever way, the program and those
 * that it started end, too. It has a session and a process group of its own, where the system has groups.
 *
 * Disposing stops it, and rejects with ERR_PORTSIDE_CHILD_EXITED if it had ended by itself with a failure and nobody has called
 * `stop()`.
 *
 * Rejects with ERR_PORTSIDE_NOT_READY when the time is over, with `lastAnswer`, `output` and `listensOn`; ERR_PORTSIDE_PORT_TAKEN
 * if another program listens on the port then, with its `owner`; ERR_PORTSIDE_CHILD_EXITED if the program ends first, with
 * `exitCode`, `signal` and its output; ENOENT or EACCES if there is no such program or interpreter; ERR_PORTSIDE_UNSUPPORTED by
 * descriptor on Windows, and with `port: 'any'` on a system without a table of sockets; and as `reservePort()`.
 */
export function spawnListening(
  command: string,
  args: readonly string[] = [],
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
