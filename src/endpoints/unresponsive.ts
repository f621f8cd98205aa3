import net from 'node:net'
import type { Worker } from 'node:worker_threads'
import { calledBy } from '../caller.js'
import { createUndoList } from '../disposal.js'
import { codeOf, portsideError } from '../errors.js'
import { thrownByBind } from '../explanations/thrown.js'
import { addressesFor } from '../loopback/address.js'
import { type Endpoint, formatEndpoint } from '../loopback/endpoint.js'
import { refuseAborted } from '../signals.js'
import { closedBy } from '../sockets/infrastructure.js'
import { clearTimeout, setTimeout, turn } from '../timers.js'
import { type EndpointOptions, readEndpointOptions, type TestEndpoint, testEndpoint } from './test-endpoint.js'

export interface UnresponsiveOptions extends EndpointOptions {
  signal?: AbortSignal
}

/**
 * An endpoint that does not answer: a connect neither succeeds nor fails as long as it is held. What a client does about
 * it is the client's: on Linux its SYNs are given up after about two minutes (tcp(7), tcp_syn_retries).
 *
 * It is a listener whose accept queue is full: the kernel then drops each SYN (listen(2)). The listener is that of a
 * worker thread that sleeps and so accepts nobody; connections of this process fill the queue. Closing it frees all of
 * it, and who still dials is refused.
 *
 * Rejects as `listenTcp()`, and with ERR_PORTSIDE_UNSUPPORTED where a full queue refuses, as on Windows.
 */
export function unresponsiveEndpoint(options: UnresponsiveOptions = {}): Promise<TestEndpoint> {
  return calledBy(unresponsiveEndpoint, () =>
    openUnresponsive(readEndpointOptions(options, 'unresponsiveEndpoint', 'signal')),
  )
}

async function openUnresponsive(options: UnresponsiveOptions): Promise<TestEndpoint> {
  const { signal } = options
  refuseAborted(signal, 'listen')
  const { addresses, bind } = await addressesFor(options)
  const undos = createUndoList()
  try {
    const endpoints: Endpoint[] = []
    for (const host of bind === 'all' ? addresses : addresses.slice(0, 1)) {
      const listener = await SleepingListener.start(host, endpoints[0]?.port ?? 0)
      undos.add(() => listener.close())
      endpoints.push(listener.endpoint)
      await listener.fill(signal)
    }
    return testEndpoint(endpoints, () => undos.run())
  } catch (error) {
    throw await undos.runAfter(error)
  }
}

/** Listens, says where, and sleeps in the same turn of its event loop: it never polls, and so never accepts. */
const SLEEPER = `
const { parentPort, workerData: { host, port, flag } } = require('node:worker_threads')
const server = require('node:net').createServer()
server.once('error', ({ code, errno, syscall, address, port, message }) =>
  parentPort.postMessage({ error: { code, errno, syscall, address, port, message } }))
server.listen({ host, port, backlog: 1, exclusive: true }, () => {
  parentPort.postMessage({ endpoint: server.address() })
  Atomics.wait(new Int32Array(flag), 0, 0)
  server.close()
})`

/** Far more than a backlog of 1 holds on any system. */
const MOST_FILLERS = 64

/** How long a connect on loopback may take before it counts as unanswered, in milliseconds: the kernel needs none. */
const UNANSWERED = 50

class SleepingListener {
  readonly #worker: Worker
  readonly #exited: Promise<unknown>
  readonly #flag: Int32Array
  readonly #fillers: net.Socket[] = []

  private constructor(
    readonly endpoint: Endpoint,
    worker: Worker,
    flag: Int32Array,
  ) {
    this.#worker = worker
    this.#exited = new Promise((resolve) => void worker.once('exit', resolve))
    this.#flag = flag
  }

  static async start(host: string, port: number): Promise<SleepingListener> {
    const { Worker } = await import('node:worker_threads')
    const flag = new SharedArrayBuffer(4)
    // Neither the loader nor the options of this process are the sleeper's.
    const worker = new Worker(SLEEPER, { eval: true, workerData: { host, port, flag }, env: {}, execArgv: [] })
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error('the thread that was to listen has ended'))
      worker.once('error', reject).once('exit', ended)
      worker.once('message', ({ endpoint, error }: { endpoint?: Endpoint; error?: object & { message: string } }) => {
        worker.off('error', reject).off('exit', ended)
        worker.unref()
        if (endpoint !== undefined) resolve(new SleepingListener(endpoint, worker, new Int32Array(flag)))
        else reject(thrownByBind(Object.assign(new Error(error?.message), error), host, port))
      })
    })
  }

  /** Connects until a connect is not answered any more. */
  async fill(signal: AbortSignal | undefined): Promise<void> {
    const where = formatEndpoint(this.endpoint)
    const asked = `fill the accept queue of ${where}`
    while (this.#fillers.length < MOST_FILLERS) {
      refuseAborted(signal, asked)
      const outcome = await this.#dial()
      if (outcome === 'unanswered') return refuseAborted(signal, asked)
      if (outcome !== 'connected') throw neverFull(where, `a connect that fails with ${outcome}`)
    }
    throw neverFull(where, `one that has taken ${MOST_FILLERS} connections with a backlog of 1`)
  }

  async close(): Promise<void> {
    // The fillers first: a listener that goes would reset them.
    const closed = this.#fillers.map((filler) => {
      filler.resetAndDestroy()
      return filler.closed ? undefined : new Promise((resolve) => void filler.once('close', resolve))
    })
    this.#worker.ref()
    Atomics.store(this.#flag, 0, 1)
    Atomics.notify(this.#flag, 0)
    await Promise.all([...closed, this.#exited])
  }

  #dial(): Promise<'connected' | 'unanswered' | string> {
    const { address, port } = this.endpoint
    const socket = closedBy(net.connect({ host: address, port }), 'close() of what unresponsiveEndpoint() gave')
    return new Promise((resolve) => {
      const timer = setTimeout(async () => {
        // Timers come before the poll for I/O: where the loop was held up, the answer may be there.
        await turn().then(turn)
        if (!socket.connecting) return
        socket.destroy()
        resolve('unanswered')
      }, UNANSWERED)
      socket.on('error', (error) => {
        clearTimeout(timer)
        resolve(codeOf(error) ?? error.message)
      })
      socket.once('connect', () => {
        clearTimeout(timer)
        this.#fillers.push(socket.unref())
        resolve('connected')
      })
    })
  }
}

function neverFull(where: string, actual: string): Error {
  return portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: `Cannot fill the accept queue of ${where}`,
    expected: 'a listener that does not answer when its queue is full',
    actual,
    because: 'this kernel does not drop connection attempts that find the queue full',
    next: 'skip the test with this reason',
  })
}
