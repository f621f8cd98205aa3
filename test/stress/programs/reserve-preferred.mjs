// Reserves a port of a list. With `wish` and an odd index it prefers that port instead. Many run in parallel.
// Settings: { list, wish, index }
import { reservePort } from '../../../dist/index.js'
import { settings, takePart } from './party.mjs'

const { list, wish, index } = settings
const port = wish !== undefined && index % 2 === 1 ? wish : list

takePart(async () => {
  const reservation = await reservePort({ port })
  return { found: reservation.port, leave: () => reservation.release() }
})
