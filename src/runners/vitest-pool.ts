import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { PoolOptions, PoolRunnerInitializer, PoolWorker, WorkerRequest } from 'vitest/node'
import { PrivateHost } from '../namespaces/host.js'
import type { HostProfile } from '../namespaces/profile.js'
import { namesOf, readOptions } from '../options.js'
import { runEnvironment } from '../platform/run-claim.js'
import { infrastructure } from '../sockets/infrastructure.js'
import { clearTimeout, setTimeout } from '../timers.js'
import { checkWorkers, type Spawn, whyWithoutNetworks } from './private-workers.js'
import { checkPreloads } from './right-place.js'

checkPreloads('vitest/pool', 'Vitest')

/**
 * The options of `namespacePool()`.
 * @experimental
 */
export interface NamespacePoolOptions {
  /**
   * The fallback if private networks are not possible: `'throw'` fails the run with the reason, `'forks'` runs the workers in the network of
   * the machine with a warning.
   * @default 'throw'
   */
  fallback?: 'forks' | 'throw'
}

/**
 * Makes a pool for `test.pool` of Vitest 4 and 5, in which each worker is a process on its own host with this profile. Linux only.
 *
 * Files in different workers do not share ports, the ephemeral range or the loopback. With `isolate`, Vitest's default, each file has a
 * worker; without it, files share workers. Projects may have different profiles. A host ends with its worker, and so do programs that still
 * run on it.
 *
 * @throws ERR_INVALID_ARG_TYPE if the profile or an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if no host can have the profile, or `fallback` is invalid
 * @throws ERR_OUT_OF_RANGE if a number of the profile is out of range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @example
 * ```js
 * // vitest.config.mjs
 * import { namespacePool } from 'portside/vitest/pool'
 * import { defineConfig } from 'vitest/config'
 *
 * export default defineConfig({ test: { pool: namespacePool({ firstUnprivilegedPort: 80 }) } })
 * ```
 * @see `docs/vitest.md#a-private-network-for-each-worker`
 * @experimental
 */
export function namespacePool(profile: HostProfile = {}, options: NamespacePoolOptions = {}): PoolRunnerInitializer {
  const spec = {
    of: 'namespacePool()',
    names: namesOf<NamespacePoolOptions>()('fallback'),
    example: "{ fallback: 'forks' }",
  }
  const { fallback = 'throw' } = readOptions(options, spec)
  checkWorkers(profile, fallback, ['throw', 'forks'])
  return { name: 'portside', createPoolWorker: (worker) => new NamespaceWorker(worker, profile, fallback) }
}

const WORKER = fileURLToPath(new URL('./vitest-pool-worker.js', import.meta.url))

/** Milliseconds: as long as Vitest itself waits for a worker that it has stopped. */
const PATIENCE = 500

/** The instances of Vitest that were warned. */
const warned = new WeakSet<object>()

class NamespaceWorker implements PoolWorker {
  readonly name = 'portside'
  readonly reportMemory = true
  readonly cacheFs = true
  #child: ChildProcess | undefined
  #host: PrivateHost | undefined

  constructor(
    private readonly options: PoolOptions,
    private readonly profile: HostProfile,
    private readonly fallback: 'forks' | 'throw',
  ) {}

  on(event: string, listener: (argument: unknown) => void): void {
    this.#running.on(event, listener)
  }

  /** Vitest calls this and `stop()` also if `start()` has failed. */
  off(event: string, listener: (argument: unknown) => void): void {
    this.#child?.off(event, listener)
  }

  send(message: WorkerRequest): void {
    this.#running.send(message)
  }

  deserialize(data: unknown): unknown {
    return data
  }

  async start(): Promise<void> {
    const { env, execArgv, project } = this.options
    const { logger } = project.vitest
    const child = (await this.#spawn())(process.execPath, [...execArgv, WORKER], {
      env: { ...(env as NodeJS.ProcessEnv), ...runEnvironment() },
      stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
      serialization: 'advanced',
    })
    this.#child = infrastructure(child)
    // Vitest does not call stop() for a worker that has exited on its own.
    child.once('exit', () => void this.#host?.close())
    for (const [from, to] of this.#outputs(child, logger)) {
      // Each worker adds a listener, which is not a leak.
      to.setMaxListeners(to.getMaxListeners() + 1)
      from.pipe(to, { end: false })
    }
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    const exited = new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) resolve()
      else child.once('exit', () => resolve())
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE)
    child.kill()
    await exited
    clearTimeout(timer)
    for (const [from, to] of this.#outputs(child, this.options.project.vitest.logger)) {
      from.unpipe(to)
      to.setMaxListeners(to.getMaxListeners() - 1)
    }
    this.#child = undefined
    await this.#host?.close()
  }

  get #running(): ChildProcess {
    if (this.#child === undefined) throw new Error('the worker of portside has not started, or has stopped')
    return this.#child
  }

  async #spawn(): Promise<Spawn> {
    const why = await whyWithoutNetworks(this.fallback === 'forks' ? 'workers' : 'throw')
    if (why === undefined) {
      const host = await PrivateHost.start(this.profile)
      this.#host = host
      return (...given) => host.spawn(...given)
    }
    const { vitest } = this.options.project
    if (!warned.has(vitest)) vitest.logger.warn(why)
    warned.add(vitest)
    return spawn
  }

  #outputs({ stdout, stderr }: ChildProcess, logger: Outputs) {
    return [
      [stdout as NodeJS.ReadableStream, logger.outputStream],
      [stderr as NodeJS.ReadableStream, logger.errorStream],
    ] as const
  }
}

interface Outputs {
  readonly outputStream: NodeJS.WritableStream
  readonly errorStream: NodeJS.WritableStream
}

export type { HostProfile }
