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
 * Looks at what this process has left open behind Mocha's global teardown, and adds it to the failures. Mocha calls its own fixtures in
 * the order in which their files were required, so that one of portside would run before those of the user.
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
      'Mocha has no hook behind its global teardown',
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

/** The process of Mocha itself: of a worker of `--parallel` its parent. */
export const mainProcess = (): number => (isMochaWorker() ? process.ppid : process.pid)

const isMochaWorker = (): boolean => /[/\\]mocha[/\\]lib[/\\]nodejs[/\\]worker\.c?js$/.test(process.argv[1] ?? '')

/**
 * Node has loaded this before Mocha, as `mocha --import=portside/mocha` asks it to. Mocha looks for root hooks in what `--require` names
 * only, and has not read its arguments yet.
 */
export function requireInMocha(): void {
  if (!isPreloaded('mocha') || !isMochaProgram() || isMochaWorker()) return
  const state = processState('runners.mocha-require', () => ({ added: false }))
  if (!state.added) process.argv.splice(2, 0, '--require', ownFile('mocha.cjs'))
  state.added = true
}
