import { fileURLToPath } from 'node:url'
import type { Plugin, ViteUserConfig } from 'vitest/config'
import type { NetAsymmetricMatchers, NetMatchers } from '../assertions/matcher-types.js'
import { invalidArgument, portsideError } from '../errors.js'
import { INSTEAD, type RunnerOptions, readLeakOptions } from '../leaks/leak-check.js'
import { trackMainProcess } from '../leaks/main-process.js'
import type { HostProfile } from '../namespaces/profile.js'
import { namesOf, readOptions } from '../options.js'
import { isAnnounced, printLine } from './announcement.js'
import { checkNoSetupFile, checkPreloads, misplaced } from './right-place.js'
import { runOf, type VitestContext } from './vitest-main.js'
import { isSetupFile, type ProvidedOptions } from './vitest-worker.js'

// As in vitest.ts.
declare module 'vitest' {
  interface Matchers extends NetMatchers {}
  interface AsymmetricMatchersContaining extends NetAsymmetricMatchers {}
  interface ProvidedContext {
    portside?: RunnerOptions
  }
}

checkPreloads('vitest/plugin', 'Vitest')
if (isSetupFile(import.meta.url)) checkNoSetupFile('vitest/plugin')

/** The options of `portside()`. */
export interface PluginOptions extends RunnerOptions {
  /**
   * Runs each worker in a private network, on a host with this profile. Linux, Vitest 4 and later.
   * @default undefined: no private networks
   */
  host?: HostProfile
  /**
   * The fallback if private networks are not possible: `'throw'` fails the run with the reason, `'forks'` runs the workers in the network of
   * the machine with a warning.
   * @default 'throw'
   */
  fallback?: 'forks' | 'throw'
}

/**
 * The plugin for the configuration of Vitest. It adds the matchers and the leak check to every test file of the project, and prints one
 * line that says so. When the run ends, it checks the main process for open sockets. If a project lists the plugin twice, the last
 * options apply.
 *
 * @throws ERR_INVALID_ARG_TYPE if an option has the wrong type
 * @throws ERR_INVALID_ARG_VALUE if an option has an invalid value, or cannot be sent to a worker
 * @throws ERR_PORTSIDE_UNKNOWN_OPTION if an option is unknown
 * @throws ERR_PORTSIDE_UNSUPPORTED if Vitest does not load it from its configuration
 * @example
 * ```js
 * // vitest.config.mjs
 * import portside from 'portside/vitest/plugin'
 * import { defineConfig } from 'vitest/config'
 *
 * export default defineConfig({ plugins: [portside()] })
 * ```
 * @see `docs/vitest.md#the-plugin`
 */
export default function portside(options?: PluginOptions): Plugin {
  const { host, fallback, ...own } = checkOptions(options)
  if (readLeakOptions(own, 'portside()').mode !== 'off') trackMainProcess()
  let hasProjects = false
  return {
    name: 'portside',
    async config(config) {
      config.test ??= {}
      const { test } = config
      hasProjects ||= (test.projects ?? []).length > 0
      const pool = host === undefined ? undefined : await poolOf(host, fallback)
      const tests = [test, ...(await sharingProjects(test.projects))]
      for (const each of tests) addTo(each, own, pool)
    },
    configureVitest(context) {
      isUsed = true
      const { project, vitest } = context as unknown as VitestContext
      addLate(project, own)
      runOf(vitest).add(project)
    },
    closeBundle() {
      if (hasProjects && !isUsed && process.env.VITEST !== undefined) printLine(NO_PROJECT)
      isUsed = true
    },
  }
}

/** Whether a project of this process has the plugin. */
let isUsed = false

const NO_PROJECT =
  'portside: leak check off: no project that ran has the plugin; write extends: true in each project, or list the plugin there'

// Vite silently accepts a function as a plugin without hooks.
Object.defineProperty(portside, 'config', {
  value: () => {
    throw misplaced('vitest/plugin', 'plugins contains the function, not its result', 'plugins: [portside()]')
  },
})

type InlineConfig = NonNullable<ViteUserConfig['test']>

/** With slashes on Windows too, as Vitest compares them. */
const SETUP = fileURLToPath(new URL('./vitest-setup.js', import.meta.url)).replaceAll('\\', '/')

function checkOptions(options: PluginOptions | undefined): PluginOptions {
  const names = namesOf<PluginOptions>()('leaks', 'announce', 'host', 'fallback')
  const read = readOptions(options, { of: 'portside()', names, example: "{ leaks: 'warn' }", instead: INSTEAD })
  const { host, fallback, ...own } = read
  if (fallback !== undefined && host === undefined) {
    throw invalidArgument('ERR_INVALID_ARG_VALUE', 'host', 'a profile next to `fallback`', host)
  }
  isAnnounced(own.announce)
  const { signal } = readLeakOptions(own, 'portside()')
  if (signal !== undefined) throw notSent('signal', 'an option that can be sent to a worker', signal)
  try {
    structuredClone(own.leaks)
  } catch {
    throw notSent('leaks', 'values that can be sent to a worker', own.leaks)
  }
  return read
}

function notSent(name: string, expected: string, value: unknown): Error {
  const next = 'leave it out, or pass it to install() of portside/vitest in your own setup file'
  return invalidArgument('ERR_INVALID_ARG_VALUE', name, expected, value, next)
}

/** Puts the set-up into a configuration before Vitest reads it. */
function addTo(test: InlineConfig, own: RunnerOptions, pool: InlineConfig['pool']): void {
  // Tests in a browser have no sockets of Node.
  if (test.browser?.enabled) return
  const { setupFiles = [] } = test
  test.setupFiles = [SETUP, ...[setupFiles].flat().filter((file) => file !== SETUP)]
  const given: ProvidedOptions | undefined = test.provide?.portside
  if (given?.plugin !== true && given?.leaks !== undefined && own.leaks !== undefined) throw givenTwice()
  test.provide = { ...test.provide, portside: { ...given, ...own, plugin: true } } as NonNullable<typeof test.provide>
  if (pool !== undefined) test.pool = pool
}

/**
 * The inline projects of Vitest 5 that share the server of the configuration above them. They inherit its options from before any plugin
 * has changed them.
 */
async function sharingProjects(projects: InlineConfig['projects'] = []): Promise<InlineConfig[]> {
  if (projects.length === 0 || !('PluginHarness' in (await import('vitest/node')))) return []
  return projects.flatMap((project) => {
    if (typeof project !== 'object' || !('test' in project) || project.test === undefined) return []
    return 'extends' in project && project.extends !== undefined && project.extends !== true ? [] : [project.test]
  })
}

/** For a project of Vitest 5 that a function returns: it shares the server, and no plugin has seen its configuration. */
function addLate(project: VitestContext['project'], own: RunnerOptions): void {
  const { setupFiles, browser } = project.config
  if (setupFiles.includes(SETUP) || browser?.enabled) return
  setupFiles.unshift(SETUP)
  const options: ProvidedOptions = { ...project.config.provide?.portside, ...own, plugin: true }
  project.provide('portside', options)
}

const givenTwice = (): Error =>
  portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: 'Cannot tell which options of portside apply: both portside() and provide.portside have some',
    next: 'pass all of them to portside()',
  })

async function poolOf(host: HostProfile, fallback: PluginOptions['fallback']) {
  // This export came with Vitest 4, as did custom pools of this kind.
  if (!('ForksPoolWorker' in (await import('vitest/node')))) {
    throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
      headline: 'Cannot give the workers hosts of their own: this version of Vitest does not support custom pools',
      next: 'install Vitest 4 or later, or remove host from portside()',
    })
  }
  const { namespacePool } = await import('./vitest-pool.js')
  return namespacePool(host, fallback === undefined ? {} : { fallback })
}

// TypeScript augments a module only where something imports it, and tsup drops an import of nothing.
export type { Matchers } from 'vitest'
export type { Match } from '../assertions/matcher-types.js'
export type { HostProfile, RunnerOptions }
