// Reserves one of a list of ports, or with `wish` and an odd number of its own that port by wish. One of many.
// Settings: { list, wish, index }
import { reservePort } from '../../../dist/index.js'
import { settings, takePart } from './party.mjs'

const { list, wish, index } = settings
const port = wish !== undefined && index % 2 === 1 ? wish : list

takePart(async () => {
  const reservation = await reservePort({ port })
  return { found: reservation.port, leave: () => reservation.release() }
})
