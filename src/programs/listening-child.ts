import type { ChildProcess, SpawnOptions } from 'node:child_process'
import type { Endpoint, Family } from '../loopback/endpoint.js'
import type { PortReservation } from '../loopback/port-reservation.js'
import type { ChildExit } from './child.js'
import type { EndedProcess } from './end-family.js'
import type { Match } from './find-anywhere.js'
import type { OutputMode } from './output.js'
import type { Ready } from './ready.js'

/** The options of `spawnListening()`. */
export interface SpawnListeningOptions extends Pick<SpawnOptions, 'cwd' | 'env'> {
  /**
   * `'port'`: the program gets a number in `PORT` and listens on it. The port is reserved until it does. `'descriptor'`: the
   * program gets the listening socket itself.
   * @default 'port'
   */
  by?: 'port' | 'descriptor'
  /**
   * 0: a free port. A number: this port, or the call fails. A reservation stays yours. `'any'`: the program picks its port,
   * and portside finds it.
   * @default 0
   */
  port?: number | PortReservation | 'any'
  /**
   * With `port: 'any'`: which of several listeners to take.
   * @default the listener that the program opened first
   */
  match?: Match
  /**
   * The loopback address on which the program listens. With `'dual'` it must listen on both.
   * @default by port either loopback address, by descriptor the first of `loopbackFamilies()`
   */
  family?: Family | 'dual'
  /** An address of this host, or a name, instead of `family`. The program must listen on one of the addresses of a name. */
  host?: string
  /**
   * The condition that makes the program ready, in addition to listening. If you pass several, all must be true.
   * @default 'listening'
   */
  ready?: Ready | readonly Ready[]
  /**
   * Milliseconds until the program must be ready.
   * @default 10_000
   */
  timeout?: number
  /**
   * `'buffer'`: keeps the end of its output. `'on-failure'`: also prints it if the program fails. `'inherit'`: also prints it
   * as it comes. `'ignore'`: drops it.
   * @default 'buffer'
   */
  output?: OutputMode
  /**
   * The signal that `stop()` sends first.
   * @default 'SIGTERM'
   */
  stopSignal?: NodeJS.Signals
  /**
   * Milliseconds between that signal and SIGKILL.
   * @default 1000
   */
  grace?: number
  /**
   * Longest accept queue, by descriptor.
   * @default 511
   */
  backlog?: number
  /** When it aborts, portside stops the program. If the program was not ready yet, the call rejects with `ABORT_ERR`. */
  signal?: AbortSignal
}

/** Returns the arguments of a program that takes its port as an argument. */
export type ArgsForPort = (port: number) => readonly string[]

/** A program that is ready, as `spawnListening()` returns it. Disposing stops it. */
export interface ListeningChild extends AsyncDisposable {
  readonly child: ChildProcess
  /** The first of `endpoints`. `address`, `port` and `family` are its fields. */
  readonly endpoint: Endpoint
  /** Where it listens: two endpoints if dual; with `port: 'any'` all of them, with the match first. */
  readonly endpoints: readonly Endpoint[]
  readonly address: string
  readonly port: number
  readonly family: Family
  /** True: the listener belongs to the program or to a process that it started. Undefined: the system does not say. */
  readonly owned: true | undefined
  /** Resolves when the program has exited. */
  readonly exited: Promise<ChildExit>
  /** The end of its stderr, up to 16 384 characters. */
  readonly stderr: string
  /** The end of its stdout, up to 16 384 characters. */
  readonly stdout: string
  /** The processes of the program that portside ended, by `stop()` or after the program had exited and left them. */
  readonly ended: readonly EndedProcess[]
  /**
   * Ends the program and the processes that it started. Resolves when they have ended, to the exit of the program.
   *
   * The signal (default: `stopSignal`) goes to the program, then to the processes that it left. After the grace, SIGKILL ends
   * the rest. Later calls share the promise.
   *
   * @throws EPERM if a process runs as another user and takes no signal from this process
   * @see `docs/programs.md#the-end`
   */
  stop(signal?: NodeJS.Signals): Promise<ChildExit>
}
