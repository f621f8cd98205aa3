// Plays clients in another process, which portside does not know. Messages say what to play.
import type { Target } from './clients/connection.js'
import { type Cast, Clients } from './clients/play.js'

export type Told = { schedule: number; target: Target; cast: Cast } | { schedule: number; finish: true }

const playing = new Map<number, Clients>()

process.on('message', (told: Told) => {
  if ('cast' in told) {
    playing.set(told.schedule, new Clients(told.target, told.cast))
    return
  }
  const clients = playing.get(told.schedule)
  playing.delete(told.schedule)
  void clients?.finish().then((seen) => process.send?.({ schedule: told.schedule, seen }))
})
process.once('disconnect', () => process.exit())
