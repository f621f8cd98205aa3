import { spawnSync } from 'node:child_process'
import { randomFrom } from '../../stress/programs/random.mjs'
import { type Played, type Portside, play } from './play.js'
import { type Host, type Schedule, scheduleOf } from './schedule.js'
import { type Stranger, strangerOf } from './stranger.js'

/** The interpreter itself, because the program in PATH may only look for one. */
const python = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' })
export const pythonPath: string | undefined = python.status === 0 ? python.stdout.trim() : undefined

export interface PlayedSchedule extends Played {
  readonly schedule: Schedule
}

/** Plays this many schedules of a seed, some at a time. Each has its own strangers. */
export async function playMany(
  portside: Portside,
  { seed, count, together, families }: Pick<Host, 'families'> & { seed: number; count: number; together: number },
): Promise<PlayedSchedule[]> {
  const found: PlayedSchedule[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    const strangers = new Map<string, Stranger>()
    try {
      while (next < count) {
        const own = seed + next++
        const schedule = scheduleOf(own, randomFrom(own), { families, python: pythonPath !== undefined })
        const { kind } = schedule.stranger
        const stranger = strangers.get(kind) ?? (await strangerOf(kind, pythonPath ?? ''))
        strangers.set(kind, stranger)
        found.push({ schedule, ...(await play(portside, schedule, stranger, pythonPath ?? '')) })
      }
    } finally {
      await Promise.all([...strangers.values()].map((stranger) => stranger.end()))
    }
  }
  await Promise.all(Array.from({ length: together }, lane))
  return found
}
