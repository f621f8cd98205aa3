import type { RunnerOptions } from '../leaks/leak-check.js'
import { checkMainProcess, mapTraces, openInMainProcess, printable } from '../leaks/main-process.js'
import { patch } from '../platform/patches.js'
import { claimRun } from '../platform/run-claim.js'
import { processState } from '../process-state.js'
import { clearTimeout, setTimeout } from '../timers.js'
import { announcementOf, isAnnounced } from './announcement.js'
import type { ProvidedOptions } from './vitest-worker.js'

/** The part of the argument of `configureVitest` that is read here. */
export interface VitestContext {
  readonly vitest: VitestInstance
  readonly project: VitestProject
}

interface VitestInstance {
  readonly config: { readonly reporters: object[]; readonly teardownTimeout: number }
  readonly projects: readonly VitestProject[]
  readonly logger: { error(line: string): void }
  onClose(hook: () => Promise<void>): void
  close(): Promise<void>
}

interface VitestProject {
  readonly name: string
  readonly config: {
    readonly setupFiles: string[]
    readonly pool?: string
    readonly browser?: { readonly enabled?: boolean }
    readonly provide?: { readonly portside?: ProvidedOptions }
  }
  provide(name: 'portside', options: RunnerOptions): void
  close(): Promise<void>
}

/** The work of portside in the main process, once for each instance of Vitest, for all projects and all copies of portside. */
export function runOf(vitest: VitestInstance): VitestRun {
  const runs = processState('runners.vitest', () => new WeakMap<VitestInstance, VitestRun>())
  let run = runs.get(vitest)
  if (run === undefined) {
    run = new VitestRun(vitest)
    runs.set(vitest, run)
  }
  return run
}

class VitestRun {
  readonly #vitest: VitestInstance
  readonly #checked = new Set<VitestProject>()
  #says = true
  #said = false
  #late: NodeJS.Timeout | undefined

  constructor(vitest: VitestInstance) {
    this.#vitest = vitest
    // Vitest 3.2 to 5 call these hooks after every global teardown.
    vitest.onClose(() => this.#look())
    patch(
      vitest,
      'close',
      (close) => () => {
        this.#late ??= setTimeout(() => this.#sayLate(), this.#vitest.config.teardownTimeout / 2).unref()
        return Reflect.apply(close, vitest, [])
      },
      'Vitest has no hook before its global teardown',
    )
  }

  add(project: VitestProject): void {
    this.#checked.add(project)
    this.#says &&= isAnnounced(project.config.provide?.portside?.announce)
    // Vitest makes its reporters from this list after the last plugin, and again when it reloads the configuration.
    const { reporters } = this.#vitest.config
    if (!reporters.includes(this.#reporter)) reporters.push(this.#reporter)
  }

  readonly #reporter = {
    onTestRunStart: (): void => {
      if (this.#said) return
      this.#said = true
      // A project without the plugin may have the setup file, and would print the line in a worker.
      claimRun(process.pid, '')
      if (this.#says) this.#vitest.logger.error(this.#announcement())
    },
  }

  /** One line for all projects: `portside: leak check on, fail; kernel once a file (unit) | off (browser)`. */
  #announcement(): string {
    const said = new Map<string, string[]>()
    for (const project of this.#vitest.projects) {
      const text = isChecked(project) ? announcementOf(...settingsOf(project)) : announcementOf({ mode: 'off' })
      said.set(text, [...(said.get(text) ?? []), project.name])
    }
    const [[first] = ['']] = said
    if (said.size <= 1) return first
    const parts = [...said].map(([text, names]) => `${text.slice(PREFIX.length)} (${names.join(', ')})`)
    return PREFIX + parts.join(' | ')
  }

  async #look(): Promise<void> {
    mapTraces()
    // Plugins close their sockets with the server that they belong to. Vitest has already called this; calling it twice is safe.
    const closed = Promise.allSettled(this.#vitest.projects.map((project) => project.close()))
    await Promise.race([closed, new Promise((resolve) => void setTimeout(resolve, PATIENCE).unref())])
    clearTimeout(this.#late)
    this.#late = undefined
    const { plugin: _, ...options } = this.#strictest()?.config.provide?.portside ?? {}
    const error = await checkMainProcess(options, 'Vitest')
    if (error === undefined) return
    this.#vitest.logger.error(printable(error.message))
    process.exitCode = 1
  }

  /** The main process belongs to all projects, so the strictest mode applies. */
  #strictest(): VitestProject | undefined {
    const all = [...this.#checked]
    return MODES.flatMap((mode) => all.filter((project) => modeOf(project) === mode))[0]
  }

  /** The teardown may still end, so nothing fails and nothing is closed. */
  #sayLate(): void {
    const project = this.#strictest()
    const open = project && modeOf(project) !== 'off' ? openInMainProcess() : undefined
    if (open === undefined) return
    this.#vitest.logger.error(`portside: Vitest waits for a global teardown. Open in its main process:\n${open}`)
  }
}

function isChecked({ config: { provide, setupFiles } }: VitestProject): boolean {
  return provide?.portside?.plugin === true || setupFiles.some((file) => SETUP_FILE.test(file))
}

const SETUP_FILE = /[/\\]portside[/\\]dist[/\\]vitest(?:-setup)?\.js$/

function settingsOf({ config: { provide, pool } }: VitestProject): Parameters<typeof announcementOf> {
  const leaks = provide?.portside?.leaks
  const mode = process.env.PORTSIDE_LEAKS as 'fail' | 'warn' | 'off' | undefined
  const options = typeof leaks === 'string' ? { mode: leaks } : leaks
  return [{ ...options, ...(mode ? { mode } : {}) }, !/threads$/i.test(pool ?? '')]
}

const modeOf = (project: VitestProject): string => settingsOf(project)[0].mode ?? 'fail'

const MODES = ['fail', 'warn', 'off']

const PREFIX = 'portside: leak check '

/** Milliseconds for a server to close, which takes only a few. Vitest gives up after 10 seconds. */
const PATIENCE = 1000
