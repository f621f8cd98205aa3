import { type ChildProcess, spawn } from 'node:child_process'
import type { Writable } from 'node:stream'
import { endsWithItsParent } from '../platform/process-tree.js'
import { processState } from '../process-state.js'
import { infrastructure } from '../sockets/infrastructure.js'

/**
 * Sees to it that no program outlives this process, or this thread, however that ends: a test runner ends its workers by
 * a signal, and then nothing here runs any more. A shell of ours reads pids from a pipe; when the pipe ends, it ends the
 * programs that are still on its list, and what they have started. It runs while there are any.
 */
class Watchdog {
  readonly #shell: ChildProcess
  readonly #pids: Writable
  readonly #ended: Promise<void>
  readonly #gone: () => void
  #watched = 0

  constructor(gone: () => void) {
    this.#gone = gone
    this.#shell = spawn('/bin/sh', ['-c', SCRIPT, 'portside-watchdog'], { stdio: ['pipe', 'ignore', 'ignore'] })
    infrastructure(this.#shell).unref()
    this.#pids = this.#shell.stdin as Writable
    // A shell that is gone, or was never there, watches nothing; that is no reason to fail.
    this.#pids.on('error', () => {})
    ;(this.#pids as Writable & { unref?(): void }).unref?.()
    this.#ended = new Promise((resolve) => {
      this.#shell.once('close', () => resolve()).once('error', () => resolve())
    })
  }

  watch(pid: number): void {
    this.#watched++
    this.#pids.write(`+ ${pid}\n`)
  }

  /** Resolves when it no longer watches; with the last, when it has ended itself. */
  forget(pid: number): Promise<void> | undefined {
    this.#pids.write(`- ${pid}\n`)
    if (--this.#watched > 0) return undefined
    this.#gone()
    this.#shell.ref()
    this.#pids.end()
    return this.#ended
  }
}

/** Signals are not for it: Ctrl-C goes to the whole process group. The children of a process are in proc(5), on Linux. */
const SCRIPT = `
trap '' HUP INT TERM
end() {
  for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do end "$child"; done
  kill -9 "$1"
}
pids=' '
while read -r what pid; do
  case $what in
    +) pids="$pids$pid " ;;
    -) pids="\${pids%% $pid *} \${pids#* $pid }" ;;
  esac
done
for pid in $pids; do end "$pid"; done`

/** Watches a program that was started; call what it returns when the program has ended. */
export function watch(pid: number | undefined): () => Promise<void> | undefined {
  if (pid === undefined || endsWithItsParent()) return () => undefined
  const state = processState<{ dog?: Watchdog | undefined }>('ports.watchdog', () => ({}))
  state.dog ??= new Watchdog(() => {
    state.dog = undefined
  })
  const { dog } = state
  dog.watch(pid)
  return () => dog.forget(pid)
}
