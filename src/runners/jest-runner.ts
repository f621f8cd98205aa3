import childProcess, { type ChildProcess, type ForkOptions, type StdioOptions } from 'node:child_process'
import * as jestRunner from 'jest-runner'
import { PrivateHost } from '../namespaces/host.js'
import type { HostProfile } from '../namespaces/profile.js'
import { readOptions } from '../options.js'
import { patch } from '../platform/patches.js'
import { runEnvironment } from '../platform/run-claim.js'
import { infrastructure } from '../sockets/infrastructure.js'
import { checkConfigurationPlace } from './jest-place.js'
import { markRunner } from './jest-runner-mark.js'
import { checkWorkers, type Fallback, whyWithoutNetworks } from './private-workers.js'

/**
 * What `testEnvironmentOptions.portside` has for the workers of a project.
 * @experimental
 */
export interface JestWorkerOptions {
  /** What their hosts are like. Default: `{}`. */
  host?: HostProfile
  /**
   * What to do where private networks are not possible: `'throw'` fails the run with the reason, `'workers'` runs the workers in
   * the network of the machine, and says so. Default: `'throw'`.
   */
  fallback?: Fallback
}

checkConfigurationPlace('jest-runner', "runner: 'portside/jest-runner'")

type Base = typeof import('jest-runner').default
type RunTests = InstanceType<Base>['runTests']
type Tests = Parameters<RunTests>[0]

/** Jest 29 and 30, as either module system gives them. */
const { default: loaded } = jestRunner as unknown as { default: Base | { default: Base } }
const JestRunner = ('default' in loaded ? loaded.default : loaded) as Base

/**
 * Jest's runner, with each worker process on a host of its own. Files in different workers share no ports, no ephemeral range and
 * no loopback; files that a worker runs one after another share its host. Also where Jest would run all in its own process: that
 * cannot leave the network it is in, so there is a worker. Not with `workerThreads`, `--detectOpenHandles` or a debugger, which need
 * the process of Jest: then a warning says so.
 *
 * Options are those of the project, `testEnvironmentOptions: { portside: { host, fallback } }`; those whose options differ run one
 * after another.
 * @experimental
 */
export class NamespaceRunner extends JestRunner {
  override async runTests(...[tests, watcher, options]: Parameters<RunTests>): Promise<void> {
    markRunner()
    const why = this.#whyInProcess()
    if (why !== undefined) {
      console.warn(`portside: tests run in the network of this machine, and not in private ones: ${why}`)
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
      ? 'a debugger is to see the process'
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
  readonly tests: Tests
}

/** Tests of projects with the same options, in the order in which they came. */
function groupsOf(tests: Tests): Group[] {
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

/** A host for each worker that Jest will have; none where workers are to run without. */
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

  /** While `run` runs, what jest-worker forks is started on these hosts: it has no other way to say how. */
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

  /** A worker that has been told to end may be replaced before it has. */
  #free(): PrivateHost {
    const free =
      this.#all.find((host) => !this.#busy.has(host)) ?? this.#all.find((host) => this.#busy.get(host)?.killed)
    if (free === undefined) throw new Error('portside: Jest has started more workers than it has said')
    return free
  }
}

/** As `fork()` does it, which has an IPC channel in any case. */
function withChannel(stdio: StdioOptions): StdioOptions {
  return typeof stdio === 'string' ? [stdio, stdio, stdio, 'ipc'] : stdio
}

export type { HostProfile }
export default NamespaceRunner
