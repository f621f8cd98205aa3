import { setTimeout } from 'node:timers/promises'
import type { ListeningChild, PortReservation, ReserveOptions, SpawnListeningOptions } from '../../../src/index.js'
import { ask } from '../ask.js'
import type { Schedule } from './schedule.js'
import { clock, fixture, type Stranger } from './stranger.js'

/** The package under test: its sources, or the built package. */
export interface Portside {
  reservePort(options: ReserveOptions): Promise<PortReservation>
  spawnListening(command: string, args: string[], options: SpawnListeningOptions): Promise<ListeningChild>
}

export interface Played {
  readonly outcome:
    | 'ready'
    /** The stranger came after portside had looked. */
    | 'ready, and the stranger came then'
    | 'taken'
    | 'exited'
    /** The stranger did not listen the whole time, so the message need not name it. */
    | 'exited, stranger gone'
    /** The timeout expired before the program tried to listen. */
    | 'slow'
    | 'fault'
  /** Describes a fault. */
  readonly detail?: string
}

type Failure = Error & { readonly code?: string; readonly stderr?: string }

/** The longest that this process may pause between portside's look and the promise, in milliseconds. */
const SLACK = 250

/** Plays a schedule. The oracle asks the listener itself, and takes the stranger's own times of listening. */
export async function play(
  portside: Portside,
  schedule: Schedule,
  stranger: Stranger,
  python: string,
): Promise<Played> {
  const { family, program, timeout } = schedule
  const reservation = await portside.reservePort({ family })
  const { port } = reservation
  const times = new Times()
  const over = new AbortController()
  const before = schedule.stranger.steps.filter(({ at }) => at < 0)
  const after = schedule.stranger.steps.filter(({ at }) => at >= 0)
  const take = async ({ opens }: { opens: boolean }): Promise<void> =>
    times.note(await (opens ? stranger.open(schedule.stranger.host, port) : stranger.close()))
  try {
    for (const step of before) await take(step)
    const started = clock()
    const steps = (async () => {
      for (const step of after) {
        await setTimeout(Math.max(started + step.at - clock(), 0))
        if (over.signal.aborted) return
        await take(step)
      }
    })()
    const [command, file] =
      program.kind === 'node' ? [process.execPath, 'listen-when-free.mjs'] : [python, 'listen-when-free.py']
    const args = [fixture(file), program.host, String(program.delay), program.mode]
    let result: { child: ListeningChild } | { error: Failure }
    try {
      result = { child: await portside.spawnListening(command, args, { port: reservation, timeout, grace: 100 }) }
    } catch (error) {
      result = { error: error as Failure }
    }
    const at = clock()
    over.abort()
    if ('error' in result) {
      await steps
      return judgeFailure(result.error, times.covers(started, at), schedule, stranger, port)
    }
    const answer = await ask(result.child)
    await steps
    const pid = result.child.child.pid as number
    await result.child.stop()
    return judgeAnswer(answer, pid, at, times, stranger)
  } finally {
    over.abort()
    await stranger.close()
    await reservation.release()
  }
}

/** The times when the stranger listened. */
class Times {
  readonly #spans: Array<{ from: number; to: number }> = []

  note({ at, event }: { at: number; event: string }): void {
    const last = this.#spans.at(-1)
    if (event === 'opened') this.#spans.push({ from: at, to: Number.POSITIVE_INFINITY })
    if (event === 'closed' && last !== undefined && last.to > at) last.to = at
  }

  /** True if it listened the whole time between the two. */
  covers(from: number, to: number): boolean {
    return this.#spans.some((span) => span.from <= from && span.to >= to)
  }
}

function judgeAnswer(answer: string, pid: number, at: number, times: Times, stranger: Stranger): Played {
  if (answer === String(pid)) return { outcome: 'ready' }
  const taken = `the answer is ${JSON.stringify(answer)}, the program ${pid}, the stranger ${stranger.pid}`
  if (answer === String(stranger.pid) && !times.covers(at - SLACK, at)) {
    return { outcome: 'ready, and the stranger came then' }
  }
  return { outcome: 'fault', detail: `a stranger was mistaken for the program: ${taken}` }
}

function judgeFailure(
  { code, message, stderr }: Failure,
  stayed: boolean,
  { stranger: { host } }: Schedule,
  stranger: Stranger,
  port: number,
): Played {
  if (code === 'ERR_PORTSIDE_NOT_READY' && stderr === '') return { outcome: 'slow' }
  const outcome =
    code === 'ERR_PORTSIDE_PORT_TAKEN' ? 'taken' : code === 'ERR_PORTSIDE_CHILD_EXITED' ? 'exited' : 'fault'
  if (outcome === 'fault') return { outcome, detail: `${code}: ${message}` }
  const place = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  const wanted = [`pid ${stranger.pid}`, place, ...(stranger.program === undefined ? [] : [`(${stranger.program})`])]
  const missing = wanted.filter((text) => !message.includes(text))
  if (missing.length === 0) return { outcome }
  if (outcome === 'exited' && !stayed) return { outcome: 'exited, stranger gone' }
  return { outcome: 'fault', detail: `the message does not name ${missing.join(' and ')}: ${message}` }
}
