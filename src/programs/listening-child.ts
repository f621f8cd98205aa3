import type { ChildProcess, SpawnOptions } from 'node:child_process'
import type { Endpoint, Family } from '../loopback/endpoint.js'
import type { PortReservation } from '../loopback/port-reservation.js'
import type { ChildExit } from './child.js'
import type { EndedProcess } from './end-family.js'
import type { Match } from './find-anywhere.js'
import type { OutputMode } from './output.js'
import type { Ready } from './ready.js'

export interface SpawnListeningOptions extends Pick<SpawnOptions, 'cwd' | 'env'> {
  /**
   * `'port'` (default): the program gets a number in `PORT` and listens there by itself, on a port that is reserved until it
   * does. `'descriptor'`: it gets the listening socket itself.
   */
  by?: 'port' | 'descriptor'
  /**
   * A number is this port or an error. A reservation stays its holder's. `'any'`: the program picks its port, and portside finds
   * it. Default 0: a free port.
   */
  port?: number | PortReservation | 'any'
  /** With `port: 'any'`: which of several listeners is meant. Default: the first that it opened. */
  match?: Match
  /** Default: by port either loopback address, by descriptor the first of `loopbackFamilies()`. `'dual'`: both of them. */
  family?: Family | 'dual'
  /** An address of this host, or a name, instead of `family`. Of a name, the first address on which the program listens. */
  host?: string
  /** When the program is ready, besides listening. Of several, all have to be met. Default `'listening'`. */
  ready?: Ready | readonly Ready[]
  /** Milliseconds that the program gets to be ready. Default 10 000. */
  timeout?: number
  /**
   * `'buffer'` (default): the end of its output is kept. `'on-failure'`: and printed if it fails. `'inherit'`: and printed as it
   * comes. `'ignore'`: dropped.
   */
  output?: OutputMode
  /** The signal that `stop()` sends first. Default SIGTERM. */
  stopSignal?: NodeJS.Signals
  /** Milliseconds that the program gets to end after that signal, before SIGKILL. Default 1000. */
  grace?: number
  /** Longest accept queue, by descriptor. Default 511. */
  backlog?: number
  /** Aborted: the program is stopped; if it was not ready yet, the call rejects with an AbortError. */
  signal?: AbortSignal
}

/** A program that is ready. */
export interface ListeningChild extends AsyncDisposable {
  readonly child: ChildProcess
  /** The first of the endpoints. `address`, `port` and `family` are its own. */
  readonly endpoint: Endpoint
  /** Where it listens: two when dual; with `port: 'any'` all of them, the one that matches first. */
  readonly endpoints: readonly Endpoint[]
  readonly address: string
  readonly port: number
  readonly family: Family
  /** True: the listener belongs to the program or to a process that it started. Undefined: the system does not say. */
  readonly owned: true | undefined
  /** Resolves when the program has ended. */
  readonly exited: Promise<ChildExit>
  /** The end of what it wrote to stderr and to stdout, up to 16 KiB each. */
  readonly stderr: string
  readonly stdout: string
  /** The processes of the program that have been ended, after `stop()`, or after the program had left them behind. */
  readonly ended: readonly EndedProcess[]
  /**
   * Ends the program and the processes that it started. The signal (default: `stopSignal`) goes to the program; when it has ended,
   * to what is left; when the grace is over, SIGKILL goes to all of them. Resolves when they have ended, with how the program
   * ended. Later calls share the promise.
   */
  stop(signal?: NodeJS.Signals): Promise<ChildExit>
}
