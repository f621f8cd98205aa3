import { expect, it } from 'vitest'
import { spawnListening } from '../../src/index.js'
import { playAtOnce } from '../models/kinds/play.js'
import { needsIPv4 } from '../support/here.js'
import { leavesNothingOpen, needsKernel } from '../support/kernel.js'

leavesNothingOpen({ lingers: true })

it('finds programs of six kinds that start at the same time, mixes none up, and ends all of their processes', async (context) => {
  needsKernel(context)
  needsIPv4(context)
  expect(await playAtOnce(spawnListening, 12)).toEqual({ faults: [], processes: expect.any(Number), left: 0 })
})
