import { expect, it } from 'vitest'
import { loopbackFamilies, reservePort, spawnListening } from '../../src/index.js'
import { playMany } from '../models/strangers/many.js'
import { leavesNothingOpen, needsKernel } from '../support/kernel.js'

leavesNothingOpen({ lingers: true })

/** The schedules include each kind of other listener, programs that share their address with one, and programs that cannot listen. */
const SEED = 1

it('never takes another listener on the port for the program, and names its owner', async (context) => {
  needsKernel(context)
  const played = await playMany(
    { reservePort, spawnListening },
    { seed: SEED, count: 12, together: 4, families: loopbackFamilies() },
  )
  expect(played.filter(({ outcome }) => outcome === 'fault')).toEqual([])
  expect(played).toHaveLength(12)
})
