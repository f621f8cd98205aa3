import { existsSync } from 'node:fs'
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { ownFile } from '../caller.js'
import { portsideError } from '../errors.js'
import { INSIDE } from '../loopback/port-reservation.js'
import type { ReserveOptions } from './reserve-port.js'

/** A port that a thread of this process holds until the process ends. */
export interface ThreadHold {
  readonly port: number
  /** Whether a program can listen on the port while the thread holds it. */
  readonly whileHeld: boolean
  /** Frees the port for the program that is about to listen, unless `whileHeld`. */
  handOver(): void
}

/**
 * Reserves a port synchronously. Node binds sockets in the event loop, so a thread does it. The thread does not keep the
 * process alive. Throws as `reservePort()` rejects.
 */
export function holdInThread(options: Pick<ReserveOptions, 'family'>): ThreadHold {
  const { port1, port2 } = new MessageChannel()
  const done = new Int32Array(new SharedArrayBuffer(4))
  const answer = (): Answer => {
    Atomics.wait(done, 0, 0, TIMEOUT)
    Atomics.store(done, 0, 0)
    return receiveMessageOnPort(port1)?.message ?? { error: { code: 'ERR_PORTSIDE_WAIT_TIMEOUT', ...NO_ANSWER } }
  }
  const workerData = { entry: entryFile(), answers: port2, done, options }
  // Without the preloaded modules of this process: a TypeScript loader would take longer than the reservation.
  const worker = new Worker(SCRIPT, { eval: true, execArgv: [], workerData, transferList: [port2] })
  worker.unref()
  const { port = 0, whileHeld = false } = orThrow(answer())
  return {
    port,
    whileHeld,
    handOver() {
      port1.postMessage('hand over')
      orThrow(answer())
    },
  }
}

/** In milliseconds. */
const TIMEOUT = 30_000

const NO_ANSWER = {
  headline: 'Cannot reserve a port in a thread',
  because: `the thread did not answer within ${TIMEOUT} ms`,
  next: 'run it again when the machine is less busy',
}

interface Answer {
  readonly port?: number
  readonly whileHeld?: boolean
  readonly error?: {
    readonly code: string
    readonly headline: string
    readonly because?: string
    readonly next?: string
  }
}

function orThrow(answer: Answer): Answer {
  if (answer.error === undefined) return answer
  const { code, ...lines } = answer.error
  throw portsideError(code, lines)
}

/** The thread loads CJS, because the main thread, which waits, may have to answer the loaders of ES modules. */
function entryFile(): string {
  const built = ownFile('index.cjs')
  return existsSync(built) ? built : ownFile('index.js')
}

const SCRIPT = `
const { entry, answers, done, options } = require('node:worker_threads').workerData
const answer = (message) => {
  answers.postMessage(message)
  Atomics.store(done, 0, 1)
  Atomics.notify(done, 0)
}
const fail = ({ code, message, headline = message, because, next }) =>
  answer({ error: { code: code ?? 'ERR_PORTSIDE_UNSUPPORTED', headline, because, next } })
try {
  require(entry).reservePort(options).then(async (reservation) => {
    answers.on('message', () => reservation.handOver(() => {}).then(() => answer({}), fail))
    const whileHeld = await reservation[Symbol.for('${INSIDE.description}')].listensWhileHeld()
    answer({ port: reservation.port, whileHeld })
  }).catch(fail)
} catch (error) {
  fail(error)
}
`
