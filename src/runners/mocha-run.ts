import { ownFile } from '../caller.js'
import type { RunnerOptions } from '../leaks/leak-check.js'
import { checkMainProcess, printable, trackMainProcess } from '../leaks/main-process.js'
import { patch } from '../platform/patches.js'
import { isUnclaimed } from '../platform/run-claim.js'
import { processState } from '../process-state.js'
import { printLine } from './announcement.js'
import { isPreloaded } from './right-place.js'
import { isMochaProgram, mochaClasses } from './this-runner.js'

/**
 * Checks this process for open sockets after Mocha's global teardown, and adds them to the failures. Mocha calls global fixtures in the
 * order in which their files were required, so a fixture of portside could run before those of the user.
 */
export function checkBehindRun(options: () => RunnerOptions | undefined): void {
  if (isMochaWorker()) return
  const state = processState('runners.mocha-run', () => ({ patched: false }))
  if (state.patched) return
  state.patched = true
  trackMainProcess()
  for (const mocha of mochaClasses() as MochaClass[]) {
    patch(
      mocha.prototype,
      'run',
      (run) =>
        function (this: MochaClass['prototype'], done) {
          const behind = (failures: number): void => {
            const { passes = 0, failures: failed = 0 } = runner.stats ?? {}
            if (passes + failed > 0 && isUnclaimed()) printLine(NO_HOOKS)
            void look(options()).then((leaked) => done?.(failures + leaked))
          }
          const runner = Reflect.apply(run, this, [behind]) as MochaRunner
          return runner
        },
      'Mocha has no hook after its global teardown',
    )
  }
}

interface MochaRunner {
  readonly stats?: { readonly passes?: number; readonly failures?: number }
}

const NO_HOOKS =
  'portside: leak check off: no required file exports its hooks; write exports.mochaHooks = install(), or mocha --require portside/mocha'

interface MochaClass {
  readonly prototype: { run(done?: (failures: number) => void): unknown }
}

async function look(options: RunnerOptions | undefined): Promise<number> {
  const error = await checkMainProcess(options, 'Mocha')
  if (error === undefined) return 0
  printLine(printable(error.message))
  return 1
}

/** The pid of Mocha's own process, which is the parent of a worker of `--parallel`. */
export const mainProcess = (): number => (isMochaWorker() ? process.ppid : process.pid)

const isMochaWorker = (): boolean => /[/\\]mocha[/\\]lib[/\\]nodejs[/\\]worker\.c?js$/.test(process.argv[1] ?? '')

/**
 * With `mocha --import=portside/mocha`, Node loads this before Mocha has read its arguments. Mocha looks for root hooks only in files that
 * `--require` names, so this adds a `--require`.
 */
export function requireInMocha(): void {
  if (!isPreloaded('mocha') || !isMochaProgram() || isMochaWorker()) return
  const state = processState('runners.mocha-require', () => ({ added: false }))
  if (!state.added) process.argv.splice(2, 0, '--require', ownFile('mocha.cjs'))
  state.added = true
}
