import { createHash } from 'node:crypto'
import { checkBoolean, readArgument } from '../argument.js'
import { invalidArgument, portsideError } from '../errors.js'
import { loopbackFamilies } from '../loopback/probe.js'
import { milliseconds } from '../numbers.js'
import { namesOf, readOptions } from '../options.js'
import { holdInThread, type ThreadHold } from '../ports/hold-in-thread.js'
import { processState } from '../process-state.js'
import { isPlaywrightWorker } from './this-runner.js'

/**
 * The options of `webServer()`. Those without a comment are options of Playwright's `webServer`.
 * @experimental
 */
export interface WebServerOptions {
  cwd?: string
  /** Variables of the server, in addition to those of this process and `PORT`. */
  env?: Readonly<Record<string, string>>
  gracefulShutdown?: { signal: 'SIGINT' | 'SIGTERM'; timeout: number }
  /**
   * Whether the URL is `https:`.
   * @default false
   */
  https?: boolean
  ignoreHTTPSErrors?: boolean
  name?: string
  /**
   * The path that Playwright requests until the server answers with a status below 404.
   * @default '/'
   */
  path?: string
  stderr?: 'pipe' | 'ignore'
  stdout?: 'pipe' | 'ignore'
  /**
   * How long the server may take to start, in milliseconds.
   * @default 60_000
   */
  timeout?: number
  wait?: { stdout?: RegExp; stderr?: RegExp }
}

/**
 * An entry for `webServer` in the configuration of Playwright.
 * @experimental
 */
export interface WebServer extends Omit<WebServerOptions, 'env' | 'https' | 'path'> {
  readonly command: string
  /** `http://localhost:40123`, with `path` if you pass it. */
  readonly url: string
  env: Record<string, string>
  readonly reuseExistingServer: false
}

/**
 * Returns an entry for `webServer` in the configuration of Playwright, on a port that no other process gets.
 *
 * The kernel picks the port, and the process of Playwright holds it until the run ends; on systems other than Linux, until the server
 * starts. The server reads it from `PORT`, or gets it in its command: `webServer((port) => 'vite --port ' + port)`. Each worker evaluates
 * the configuration again and finds the same port. Two servers of one configuration need different arguments.
 *
 * @throws ERR_INVALID_ARG_TYPE if an argument has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an argument has an invalid value
 * @throws ERR_OUT_OF_RANGE if `timeout` is out of range
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @throws ERR_PORTSIDE_UNSUPPORTED in a worker, if the main process has called it with other arguments; also the errors of `reservePort()`
 * @example
 * ```js
 * // playwright.config.mjs
 * import { defineConfig } from '@playwright/test'
 * import { webServer } from 'portside/playwright'
 *
 * const server = webServer('npm start')
 *
 * export default defineConfig({ webServer: server, use: { baseURL: server.url } })
 * ```
 * @see `docs/playwright.md#web-servers`
 * @experimental
 */
export function webServer(command: string | ((port: number) => string), options?: WebServerOptions): WebServer {
  const commandFor = readCommand(command)
  const { env = {}, https = false, path = '', ...passed } = checkOptions(options)
  const { port, whileHeld, handOver } = portFor(
    keyOf([String(command), path, https, passed, ownVariables(env)]),
    passed.name,
  )
  return {
    ...passed,
    command: commandFor(port),
    url: `${https ? 'https' : 'http'}://localhost:${port}${path}`,
    env: environment(env, String(port), handOver, whileHeld),
    reuseExistingServer: false,
  }
}

function readCommand(command: unknown): (port: number) => string {
  return readArgument('command', 'a command, or a function that returns a command for the port', command, () => {
    if (typeof command === 'function') return command as (port: number) => string
    return typeof command === 'string' && command !== '' ? () => command : undefined
  })
}

const NAMES = namesOf<WebServerOptions>()(
  'cwd',
  'env',
  'gracefulShutdown',
  'https',
  'ignoreHTTPSErrors',
  'name',
  'path',
  'stderr',
  'stdout',
  'timeout',
  'wait',
)

const INSTEAD = {
  port: 'leave it out: the kernel picks a port, and the server reads it in PORT',
  url: 'leave it out, or pass path: the URL has the port that the kernel picks',
  reuseExistingServer: 'leave it out: no other server can have the port',
  command: 'pass the command as the first argument',
}

function checkOptions(given: WebServerOptions | undefined): WebServerOptions {
  const options = readOptions(given, {
    of: 'webServer()',
    names: NAMES,
    example: "{ path: '/health' }",
    instead: INSTEAD,
  })
  const { env = {}, path, timeout } = options
  if (path !== undefined && !(typeof path === 'string' && path.startsWith('/')))
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'path', "a path that begins with '/'", path)
  checkBoolean('https', options.https)
  if (timeout !== undefined) milliseconds('timeout', timeout)
  readArgument('env', 'an object of strings', env, () =>
    typeof env === 'object' && Object.values(env).every((value) => typeof value === 'string') ? env : undefined,
  )
  if (Object.hasOwn(env, 'PORT') && env.PORT !== process.env.PORT)
    throw invalidArgument(
      'ERR_INVALID_ARG_VALUE',
      'env',
      'variables other than PORT',
      env.PORT,
      'leave PORT out: webServer() sets it',
    )
  return options
}

/** Without the variables of this process that a configuration passes on: they differ in a worker. */
const ownVariables = (env: Readonly<Record<string, string>>): Array<[string, string]> =>
  Object.entries(env).filter(([name, value]) => process.env[name] !== value)

/** Identifies a server of a configuration, also in a worker. */
const keyOf = (given: unknown[]): string =>
  createHash('sha256')
    .update(JSON.stringify(given, (_name, value) => (value instanceof RegExp ? String(value) : value)))
    .digest('hex')
    .slice(0, 16)

function portFor(key: string, name = 'one'): ThreadHold {
  if (isPlaywrightWorker()) {
    const port = portsOf(process.ppid)[key]
    if (port !== undefined) return { port, whileHeld: true, handOver() {} }
    throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
      headline: `Cannot find the port of a web server (${name})`,
      because: 'the main process has called webServer() with other arguments than this worker, or not at all',
      next: 'pass the same arguments each time the configuration is evaluated: keep values that change in process.env',
    })
  }
  const holds = processState('runners.playwright-server', () => new Map<string, ThreadHold>())
  let hold = holds.get(key)
  if (hold === undefined) {
    hold = holdInThread(loopbackFamilies().length > 1 ? { family: 'dual' } : {})
    holds.set(key, hold)
    // Workers inherit the environment. If another run has started this one, the variable names the process of that run.
    process.env[VARIABLE] = JSON.stringify({ pid: process.pid, ports: { ...portsOf(process.pid), [key]: hold.port } })
  }
  return hold
}

const VARIABLE = 'PORTSIDE_WEB_SERVERS'

function portsOf(main: number): Readonly<Record<string, number>> {
  const { pid, ports } = JSON.parse(process.env[VARIABLE] ?? '{}')
  return pid === main ? ports : {}
}

/**
 * Playwright copies the variables when it starts the server. On systems where nothing can listen on a held port, this releases the port
 * then.
 */
export function environment(
  env: Readonly<Record<string, string>>,
  port: string,
  handOver: () => void,
  whileHeld: boolean,
): Record<string, string> {
  if (whileHeld) return { ...env, PORT: port }
  return Object.defineProperty({ ...env }, 'PORT', {
    enumerable: true,
    get() {
      handOver()
      return port
    },
  })
}
