import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import type { Writable } from 'node:stream'
import { endsWithItsParent } from '../platform/process-tree.js'
import { processState } from '../process-state.js'
import { infrastructure } from '../sockets/infrastructure.js'
import { SHELL } from './waiting-shell.js'

/**
 * Ends programs that would outlive this process or thread. A test runner ends its workers by a signal, after which nothing in
 * this process runs. So a shell reads pids from a pipe. When the pipe ends, the shell ends the programs on its list and their
 * descendants. It runs while there are programs.
 */
export class Watchdog {
  /** Every program has it in its environment, followed by a number. */
  readonly #mark = randomUUID()
  #shell: Shell | undefined
  #held = 0
  #programs = 0

  constructor(private readonly gone: (dog: Watchdog) => void) {}

  hold(): void {
    this.#held++
  }

  nextMark(): string {
    return `${this.#mark}.${++this.#programs};`
  }

  /**
   * Resolves when the kernel has the pid for the watchdog: from then on this process may end. Rejects if the watchdog cannot
   * start. It starts here, while the program's own shell, which waits for this, starts too.
   */
  async watch(pid: number): Promise<void> {
    this.#shell ??= new Shell(this.#mark, () => this.gone(this))
    await this.#shell.write(`+ ${pid}\n`)
  }

  /** With the last program, resolves when the watchdog has exited. */
  release(pid: number | undefined): Promise<void> | undefined {
    if (pid !== undefined) this.#shell?.write(`- ${pid}\n`).catch(() => {})
    if (--this.#held > 0) return undefined
    this.gone(this)
    return this.#shell?.end()
  }
}

class Shell {
  readonly #shell: ChildProcess
  readonly #pids: Writable | undefined
  readonly #ended: Promise<void>
  #failure: Error | undefined

  constructor(mark: string, gone: () => void) {
    // In its own session: a signal for the group of this process, such as Ctrl-C, must not end it first.
    this.#shell = spawn(SHELL, ['-c', SCRIPT, 'portside-watchdog', mark], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    infrastructure(this.#shell).unref()
    // Undefined if no descriptor is free.
    this.#pids = this.#shell.stdin ?? undefined
    this.#pids?.on('error', () => {})
    ;(this.#pids as (Writable & { unref?(): void }) | undefined)?.unref?.()
    this.#ended = new Promise((resolve) => {
      const end = (): void => {
        gone()
        resolve()
      }
      this.#shell.once('close', end).once('error', (error) => {
        this.#failure = error
        end()
      })
    })
  }

  /** Resolves when the kernel has the line. Rejects if the shell could not start. */
  async write(line: string): Promise<void> {
    if (this.#shell.pid === undefined || this.#pids === undefined) {
      await this.#ended
      throw this.#failure
    }
    await new Promise<void>((resolve, reject) => {
      this.#pids?.write(line, (error) => (error ? reject(error) : resolve()))
    })
  }

  end(): Promise<void> {
    this.#shell.ref()
    this.#pids?.end()
    return this.#ended
  }
}

/**
 * A stopped process starts no other while its children are listed, from proc(5) on Linux. A program is the first of its process
 * group, which includes processes that have lost their parent. On Linux a process that has left the group has the mark in its
 * environment.
 */
const SCRIPT = `
trap '' HUP INT TERM
end() {
  kill -STOP "$1"
  for child in $(cat /proc/"$1"/task/*/children); do end "$child"; done
  kill -KILL "$1"
}
pids=' '
while read -r what pid; do
  case $what in
    +) pids="$pids$pid " ;;
    -) pids="\${pids%% $pid *} \${pids#* $pid }" ;;
  esac
done
for pid in $pids; do
  kill -STOP -"$pid"
  end "$pid"
  kill -KILL -"$pid"
done
[ "$pids" = ' ' ] && exit
for round in 1 2 3 4 5; do
  left=$(grep -l -s -F "$1." /proc/[0-9]*/environ)
  [ -n "$left" ] || break
  for file in $left; do
    pid=\${file#/proc/}
    kill -KILL "\${pid%/environ}"
  done
done`

/** For the next program: call `watch()` immediately, and `release()` when it has exited. Undefined without a shell. */
export function watchdog(): Watchdog | undefined {
  if (endsWithItsParent() || !existsSync(SHELL)) return undefined
  const state = processState<{ dog?: Watchdog | undefined }>('programs.watchdog', () => ({}))
  state.dog ??= new Watchdog((dog) => {
    if (state.dog === dog) state.dog = undefined
  })
  state.dog.hold()
  return state.dog
}
