import type { RunnerOptions } from '../leaks/leak-check.js'
import { checkMainProcess, mapTraces, openInMainProcess, printable } from '../leaks/main-process.js'
import { patch } from '../platform/patches.js'
import { claimRun } from '../platform/run-claim.js'
import { processState } from '../process-state.js'
import { clearTimeout, setTimeout } from '../timers.js'
import { announcementOf, isAnnounced } from './announcement.js'
import type { ProvidedOptions } from './vitest-worker.js'

/** What Vitest gives the hook `configureVitest`, as far as it is read here. */
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

/**
 * What portside does in the main process, once for each instance of Vitest, however many of its projects have the plugin, and whichever
 * copy of portside each of them has.
 */
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
    // These are called behind every global teardown, in Vitest 3.2 to 5.
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
    // Vitest makes its reporters of this list, behind the last plugin, and again where it reads the configuration anew.
    const { reporters } = this.#vitest.config
    if (!reporters.includes(this.#reporter)) reporters.push(this.#reporter)
  }

  readonly #reporter = {
    onTestRunStart: (): void => {
      if (this.#said) return
      this.#said = true
      // A project without the plugin may have the setup file, and would say it in a worker.
      claimRun(process.pid, '')
      if (this.#says) this.#vitest.logger.error(this.#announcement())
    },
  }

  /** All projects in one line: `portside: leak check on, fail; kernel once a file (unit) | off (browser)`. */
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
    // Plugins close what they have opened with the server that they are plugins of. Vitest has called this before, too.
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

  /** The main process belongs to all projects: the one with the strictest mode decides. */
  #strictest(): VitestProject | undefined {
    const all = [...this.#checked]
    return MODES.flatMap((mode) => all.filter((project) => modeOf(project) === mode))[0]
  }

  /** It may yet end, so nothing fails and nothing is closed. */
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

/** Milliseconds for a server to close, which takes a few. Vitest itself gives up after 10 seconds. */
const PATIENCE = 1000
