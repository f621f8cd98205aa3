import net from 'node:net'
import type { Worker } from 'node:worker_threads'
import { calledBy } from '../caller.js'
import { createUndoList } from '../disposal.js'
import { codeOf, portsideError } from '../errors.js'
import { thrownByBind } from '../explanations/thrown.js'
import { addressesFor } from '../loopback/address.js'
import { type Endpoint, formatEndpoint } from '../loopback/endpoint.js'
import { fullQueue } from '../platform/backlog.js'
import { refuseDenied } from '../platform/permissions.js'
import { type Runtime, runtime } from '../platform/runtime.js'
import { refuseAborted } from '../signals.js'
import { closedBy } from '../sockets/infrastructure.js'
import { clearTimeout, setTimeout, turn } from '../timers.js'
import { type EndpointOptions, readEndpointOptions, type TestEndpoint, testEndpoint } from './test-endpoint.js'

/** The address of an unresponsive endpoint, and a signal that cancels its opening. */
export interface UnresponsiveOptions extends EndpointOptions {
  /** Cancels the call, which then rejects with ABORT_ERR. */
  signal?: AbortSignal
}

/**
 * Opens an address that does not answer: a connect to it neither succeeds nor fails until you close the endpoint.
 *
 * It is a listener whose accept queue is full, so the kernel drops each SYN (listen(2)). On Linux a connect fails after about two
 * minutes (tcp(7), tcp_syn_retries). The listener belongs to a sleeping worker thread; connections of this process fill the queue.
 * Closing the endpoint frees them, and a client that is still connecting is refused.
 *
 * @throws ERR_PORTSIDE_UNSUPPORTED if a full queue refuses connections, as on Windows; skip the test with the message
 * @throws ABORT_ERR if `signal` is aborted
 * @throws the codes of `listenTcp()`
 * @example
 * ```ts
 * import { formatEndpoint, unresponsiveEndpoint } from 'portside'
 * import { expect } from 'vitest'
 *
 * await using endpoint = await unresponsiveEndpoint()
 * const fetching = fetch(`http://${formatEndpoint(endpoint)}`, { signal: AbortSignal.timeout(100) })
 * await expect(fetching).rejects.toMatchObject({ name: 'TimeoutError' })
 * ```
 * @see `docs/endpoints.md#unresponsiveendpoint`
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

/** Listens, reports its address, and sleeps in the same turn of its event loop. It never polls, so it never accepts. */
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

/** After so many connects without an answer the queue is full, even if it holds fewer connections than this system usually takes. */
const MOST_SLOW = 8

/** Milliseconds after which a connect on loopback counts as unanswered. The kernel answers immediately. */
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
    refuseDenied('worker', `listen on ${host} in a thread`)
    const { Worker } = await import('node:worker_threads')
    const flag = new SharedArrayBuffer(4)
    // The thread needs neither the loader nor the options of this process.
    const worker = new Worker(SLEEPER, { eval: true, workerData: { host, port, flag }, env: {}, execArgv: [] })
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error('The thread of the listener exited before it listened.'))
      worker.once('error', reject).once('exit', ended)
      worker.once('message', ({ endpoint, error }: { endpoint?: Endpoint; error?: object & { message: string } }) => {
        worker.off('error', reject).off('exit', ended)
        worker.unref()
        if (endpoint !== undefined) resolve(new SleepingListener(endpoint, worker, new Int32Array(flag)))
        else reject(thrownByBind(Object.assign(new Error(error?.message), error), host, port))
      })
    })
  }

  /** Connects until a connect is not answered. */
  async fill(signal: AbortSignal | undefined): Promise<void> {
    const where = formatEndpoint(this.endpoint)
    const asked = `fill the accept queue of ${where}`
    const full = fullQueue() ?? 0
    for (let slow = 0; this.#fillers.length < MOST_FILLERS; ) {
      refuseAborted(signal, asked)
      const outcome = await this.#dial()
      if (outcome === 'unanswered') {
        // On a busy machine a connect may be slow although there is room for it.
        const held = this.#fillers.filter(({ connecting }) => !connecting).length
        if (held >= full || ++slow === MOST_SLOW) {
          for (const filler of this.#fillers) if (filler.connecting) filler.destroy()
          return refuseAborted(signal, asked)
        }
        continue
      }
      if (outcome !== 'connected') throw neverFull(where, `a connect that fails with ${outcome}`)
    }
    throw neverFull(where, `a listener that has taken ${MOST_FILLERS} connections with a backlog of 1`)
  }

  async close(): Promise<void> {
    // The fillers first, because closing the listener would reset them.
    const closed = this.#fillers.map((filler) => {
      // A reset would wait for the connect.
      if (filler.connecting) filler.destroy()
      else filler.resetAndDestroy()
      return filler.closed ? undefined : new Promise((resolve) => void filler.once('close', resolve))
    })
    this.#worker.ref()
    Atomics.store(this.#flag, 0, 1)
    Atomics.notify(this.#flag, 0)
    await Promise.all([...closed, this.#exited])
  }

  #dial(): Promise<'connected' | 'unanswered' | string> {
    const { address, port } = this.endpoint
    const socket = closedBy(net.connect({ host: address, port }), 'close() on the result of unresponsiveEndpoint()')
    return new Promise((resolve) => {
      const timer = setTimeout(async () => {
        // Timers run before the poll for I/O, so after a busy time the answer may be waiting.
        await turn().then(turn)
        if (!socket.connecting) return
        // It may still connect, and then it is in the queue.
        this.#fillers.push(socket.unref())
        resolve('unanswered')
      }, UNANSWERED)
      socket.on('error', (error) => {
        clearTimeout(timer)
        resolve(codeOf(error) ?? error.message)
      })
      socket.once('connect', () => {
        clearTimeout(timer)
        if (!this.#fillers.includes(socket)) this.#fillers.push(socket.unref())
        resolve('connected')
      })
    })
  }
}

function neverFull(where: string, actual: string): Error {
  return portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: `Cannot fill the accept queue of ${where}`,
    expected: 'a listener that does not answer once its queue is full',
    actual,
    because: whyNeverFull(),
    next: 'skip the test with this reason',
  })
}

/** Bun listens with a backlog of its own choice, so its queue says nothing about the kernel. */
export const whyNeverFull = (on: Runtime = runtime()): string =>
  on === 'Bun'
    ? 'Bun ignores the option backlog of listen(), so the queue is longer'
    : 'this kernel does not drop connection attempts when the queue is full'
