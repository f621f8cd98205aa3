import childProcess, { type ChildProcess, type ForkOptions, type StdioOptions } from 'node:child_process'
import type { Test, TestRunnerOptions, TestWatcher } from 'jest-runner'
import * as jestRunner from 'jest-runner'
import { PrivateHost } from '../namespaces/host.js'
import type { HostProfile } from '../namespaces/profile.js'
import { readOptions } from '../options.js'
import { patch } from '../platform/patches.js'
import { runEnvironment } from '../platform/run-claim.js'
import { infrastructure } from '../sockets/infrastructure.js'
import { checkConfigurationPlace } from './jest-place.js'
import { markRunner } from './jest-runner-mark.js'
import { checkWorkers, whyWithoutNetworks } from './private-workers.js'

/**
 * The options for the workers of a project, in `testEnvironmentOptions.portside`.
 * @experimental
 */
export interface JestWorkerOptions {
  /**
   * The profile of their hosts.
   * @default {}
   */
  host?: HostProfile
  /**
   * The fallback if private networks are not possible: `'throw'` fails the run with the reason, `'workers'` runs the workers in the network
   * of the machine with a warning.
   * @default 'throw'
   */
  fallback?: 'throw' | 'workers'
}

checkConfigurationPlace('jest-runner', "runner: 'portside/jest-runner'")

type Base = typeof import('jest-runner').default

/** Jest 29 and 30, as either module system loads them. */
const { default: loaded } = jestRunner as unknown as { default: Base | { default: Base } }
const JestRunner = 'default' in loaded ? loaded.default : loaded

/**
 * Jest's runner, with a host of its own for each worker process. Files in different workers do not share ports, the ephemeral range or the
 * loopback. Files that run one after another in a worker share its host. Linux only.
 *
 * The options are those of the project: `testEnvironmentOptions: { portside: { host, fallback } }`. Projects with different options run one
 * after another. With `--runInBand`, there is still a worker, because the process of Jest cannot leave its network. With `workerThreads`,
 * `--detectOpenHandles` or a debugger, tests run in the process of Jest, and a warning says so.
 *
 * @throws ERR_PORTSIDE_UNSUPPORTED if private networks are not possible and `fallback` is `'throw'`
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @throws ERR_INVALID_ARG_VALUE if `fallback` is invalid, or no host can have the profile
 * @example
 * ```js
 * // jest.config.mjs
 * export default {
 *   runner: 'portside/jest-runner',
 *   testEnvironmentOptions: { portside: { host: { firstUnprivilegedPort: 80 } } },
 * }
 * ```
 * @see `docs/jest.md#a-private-network-for-each-worker`
 * @experimental
 */
export class NamespaceRunner extends (JestRunner as Base) {
  override async runTests(tests: Test[], watcher: TestWatcher, options: TestRunnerOptions): Promise<void> {
    markRunner()
    const why = this.#whyInProcess()
    if (why !== undefined) {
      console.warn(`portside: tests run in the network of this machine, not in private networks: ${why}`)
      return super.runTests(tests, watcher, options)
    }
    for (const group of groupsOf(tests)) {
      if (watcher.isInterrupted()) return
      const hosts = await Hosts.start(this._globalConfig.maxWorkers, group.options)
      try {
        await hosts.forking(() => super.runTests(group.tests, watcher, { ...options, serial: false }))
      } finally {
        await hosts.close()
      }
    }
  }

  #whyInProcess(): string | undefined {
    const { detectOpenHandles, workerThreads } = this._globalConfig as {
      detectOpenHandles: boolean
      workerThreads?: boolean
    }
    if (workerThreads) return 'workerThreads is set, and threads of one process have one network'
    if (detectOpenHandles) return '--detectOpenHandles looks at the process of Jest'
    return process.execArgv.some((flag) => /^--(debug|inspect)/.test(flag))
      ? 'a debugger needs the process of Jest'
      : undefined
  }
}

/** `leaks` and `announce` are for the environment. */
const SPEC = {
  of: 'testEnvironmentOptions.portside',
  names: ['host', 'fallback', 'leaks', 'announce'],
  example: '{ host: { ephemeralPorts: 100 } }',
}

interface Group {
  readonly options: JestWorkerOptions
  readonly tests: Test[]
}

/** Groups the tests by the options of their projects, and keeps their order. */
function groupsOf(tests: readonly Test[]): Group[] {
  const groups = new Map<string, Group>()
  for (const test of tests) {
    const { portside } = test.context.config.testEnvironmentOptions as { portside?: JestWorkerOptions }
    const { host = {}, fallback = 'throw' } = readOptions(portside, SPEC)
    const key = JSON.stringify([host, fallback])
    const group = groups.get(key) ?? { options: { host, fallback }, tests: [] }
    groups.set(key, group)
    group.tests.push(test)
  }
  return [...groups.values()]
}

/** A host for each worker that Jest will have; none if workers run without private networks. */
class Hosts {
  readonly #all: PrivateHost[]
  readonly #busy = new Map<PrivateHost, ChildProcess>()

  private constructor(all: PrivateHost[]) {
    this.#all = all
  }

  static async start(count: number, { host = {}, fallback = 'throw' }: JestWorkerOptions): Promise<Hosts> {
    checkWorkers(host, fallback, ['throw', 'workers'])
    const why = await whyWithoutNetworks(fallback)
    if (why !== undefined) console.warn(why)
    const starts = Array.from({ length: why === undefined ? count : 0 }, () => PrivateHost.start(host))
    const settled = await Promise.allSettled(starts)
    const hosts = new Hosts(settled.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : [])))
    const failed = settled.find((start) => start.status === 'rejected')
    if (failed === undefined) return hosts
    await hosts.close()
    throw failed.reason
  }

  /** While `run` runs, processes that jest-worker forks start on these hosts. jest-worker has no option for it. */
  async forking(run: () => Promise<void>): Promise<void> {
    type Rest = [args?: readonly string[] | ForkOptions, options?: ForkOptions]
    const onHosts = (fork: typeof childProcess.fork) =>
      ((module: string | URL, ...rest: Rest) => {
        const [args, options] = Array.isArray(rest[0]) ? [rest[0], rest[1]] : [[], (rest[1] ?? rest[0]) as ForkOptions]
        if (this.#all.length === 0 || !/[\\/]jest-worker[\\/]/.test(String(module))) return fork(module, args, options)
        return this.#fork(String(module), args, options ?? {})
      }) as typeof fork
    const undo = patch(childProcess, 'fork', onHosts, 'jest-worker starts its processes by fork()')
    try {
      await run()
    } finally {
      undo()
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((host) => host.close()))
  }

  #fork(module: string, args: readonly string[], options: ForkOptions): ChildProcess {
    const { execPath = process.execPath, execArgv = process.execArgv, silent = false, stdio, ...spawning } = options
    const host = this.#free()
    const child = host.spawn(execPath, [...execArgv, module, ...args], {
      ...(spawning as object),
      env: { ...(spawning.env ?? process.env), ...runEnvironment() },
      stdio: withChannel(stdio ?? (silent ? 'pipe' : 'inherit')),
    })
    this.#busy.set(host, child)
    child.once('exit', () => {
      if (this.#busy.get(host) === child) this.#busy.delete(host)
    })
    return infrastructure(child)
  }

  /** Jest may replace a worker that it has killed before that worker has exited. */
  #free(): PrivateHost {
    const free =
      this.#all.find((host) => !this.#busy.has(host)) ?? this.#all.find((host) => this.#busy.get(host)?.killed)
    if (free === undefined) throw new Error('portside: Jest has started more workers than its maxWorkers')
    return free
  }
}

/** Like `fork()`, which always adds an IPC channel. */
function withChannel(stdio: StdioOptions): StdioOptions {
  return typeof stdio === 'string' ? [stdio, stdio, stdio, 'ipc'] : stdio
}

export type { HostProfile }
export default NamespaceRunner
