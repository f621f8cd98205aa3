import type { ChildProcess } from 'node:child_process'
import { abortError, codeOf } from '../errors.js'
import { whyNoUserNamespaces } from '../platform/private-networks.js'
import { endGroup } from '../platform/process-tree.js'
import { onAbort } from '../signals.js'
import { turn, whenOverdue } from '../timers.js'
import { ASKED, failed, unsupported } from './failures.js'
import { describeStep, type Step } from './set-up.js'

/** Longest time for one step of a set-up, or one command, in milliseconds. */
export const PATIENCE = 10_000

/** Reads the answers of a holder's shell, line by line. */
export class Answers {
  readonly #shell: ChildProcess
  readonly #steps: readonly Step[]
  readonly #patience: number
  readonly #lines: string[] = []
  #stderr = ''
  #step: number | undefined
  #ended: { error?: Error } | undefined
  #givenUp: Error | undefined
  #wake: () => void = () => {}

  constructor(shell: ChildProcess, steps: readonly Step[], patience: number) {
    this.#shell = shell
    this.#steps = steps
    this.#patience = patience
    let rest = ''
    shell.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      this.#lines.push(...lines)
      this.#wake()
    })
    shell.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4096)
    })
    shell.once('error', (error) => this.#end({ error }))
    shell.once('close', () => this.#end({}))
  }

  /** Resolves when everything is set up. Rejects with the step that failed or did not answer in time, or ABORT_ERR. */
  async ready(signal?: AbortSignal): Promise<void> {
    for (;;) {
      const line = await this.#next(this.#asked(), signal)
      if (line === 'ready') return
      if (line === undefined || line === 'failed') throw this.#failure()
      this.#step = Number(line.replace('step ', ''))
    }
  }

  /** Resolves when a command is done. Rejects as `ready()`. */
  async done(asked: string, signal?: AbortSignal): Promise<void> {
    const line = await this.#next(asked, signal)
    if (line === 'done') return
    const said = this.#said()
    this.#stderr = ''
    throw failed(asked, line === undefined ? 'a private network that is gone' : said)
  }

  /** Ends the shell and its children: a tool that hangs would keep its pipes open. */
  giveUp(error?: Error): void {
    this.#givenUp ??= error
    if (this.#shell.pid !== undefined) endGroup(this.#shell.pid)
    for (const stream of this.#shell.stdio) stream?.destroy()
    this.#end({})
  }

  async #next(asked: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    const abort = (): void => this.giveUp(abortError(signal as AbortSignal, ASKED))
    const overdue = (): void => this.giveUp(failed(asked, `no answer within ${this.#patience / 1000} s`))
    const cancel = whenOverdue(this.#patience, overdue)
    const forget = onAbort(signal, abort)
    if (signal?.aborted) abort()
    while (this.#lines.length === 0 && this.#ended === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    cancel()
    forget()
    if (this.#givenUp !== undefined) throw this.#givenUp
    // The message of a tool on standard error may be read after the answer.
    await turn()
    return this.#lines.shift()
  }

  #end(how: { error?: Error }): void {
    this.#ended ??= how
    this.#wake()
  }

  #asked(): string {
    const step = this.#step === undefined ? undefined : this.#steps[this.#step]
    return step === undefined ? `${ASKED}: start a shell` : `${ASKED}: ${describeStep(step, lineOf(this.#stderr))}`
  }

  #failure(): Error {
    const { error } = this.#ended ?? {}
    if (error !== undefined) return failed(this.#asked(), `${codeOf(error) ?? error.message}`, error)
    const said = this.#said()
    return this.#step !== undefined || /Cannot fork|Resource temporarily unavailable/.test(said)
      ? failed(this.#asked(), said)
      : unsupported([said, whyNoUserNamespaces()].filter(Boolean).join('; '))
  }

  #said(): string {
    const lines = this.#stderr.split('\n').filter((line) => line !== '' && !/^Command failed -:\d+$/.test(line))
    const words = lines.map((line) => line.replace(/^(sh: \d+: |Error: |RTNETLINK answers: )+/, '').replace(/\.$/, ''))
    return words.join('; ') || 'no answer'
  }
}

/** ip(8) prints the line of its batch that failed. */
const lineOf = (stderr: string): number => Number(/^Command failed -:(\d+)$/m.exec(stderr)?.[1] ?? 1)
