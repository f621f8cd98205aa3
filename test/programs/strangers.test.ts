import { expect, it } from 'vitest'
import { loopbackFamilies, reservePort, spawnListening } from '../../src/index.js'
import { playMany } from '../models/strangers/many.js'
import { leavesNothingOpen, needsKernel } from '../support/kernel.js'

leavesNothingOpen({ lingers: true })

/** Among them each kind of stranger, programs that share their address with one, and those that cannot listen. */
const SEED = 1

it('never takes a stranger that listens on the number of a program for the program, and names it', async (context) => {
  needsKernel(context)
  const played = await playMany(
    { reservePort, spawnListening },
    { seed: SEED, count: 12, together: 4, families: loopbackFamilies() },
  )
  expect(played.filter(({ outcome }) => outcome === 'fault')).toEqual([])
  expect(played).toHaveLength(12)
})
