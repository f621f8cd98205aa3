import type net from 'node:net'
import { beforeEach, describe, expect, it } from 'vitest'
import { AcceptQueue } from '../../src/sockets/accept-queue.js'
import { registry } from '../../src/sockets/registry.js'
import { turn } from '../support/clients.js'

/** Empties a queue while `during` runs, and returns how many turns that took. */
async function turnsToEmpty(
  during: (turns: number) => void,
  { listeners = [], accepted = 0 }: { listeners?: net.Server[]; accepted?: number } = {},
): Promise<number> {
  let turns = 0
  let closed = false
  const emptied = new AcceptQueue().empty(
    listeners,
    () => Math.min(turns, accepted),
    () => {
      closed = true
    },
  )
  while (!closed) {
    during(turns++)
    await turn()
  }
  await emptied
  return turns
}

/** A client of this process has begun to connect. */
const dial = (): void => void registry().dials++

describe('an accept queue', () => {
  it('is empty when nothing came in two turns', async () => {
    expect(await turnsToEmpty(() => {})).toBeLessThanOrEqual(3)
  })

  it('is checked again if a client of this process has connected meanwhile', async () => {
    const turns = await turnsToEmpty((now) => {
      if (now < 10) dial()
    })
    expect(turns).toBeGreaterThan(10)
    expect(turns).toBeLessThan(15)
  })

  it('is not awaited endlessly while clients of this process connect to other servers', async () => {
    expect(await turnsToEmpty(dial)).toBeLessThan(80)
  })

  describe.runIf(process.platform === 'linux')('takes one connection at a time', () => {
    const backlogs: number[] = []
    class TCP {
      listen(backlog: number) {
        backlogs.push(backlog)
      }
    }
    const listener = { _handle: new TCP() } as unknown as net.Server
    beforeEach(() => void backlogs.splice(0))

    it('if clients never stop coming', async () => {
      await turnsToEmpty(() => {}, { listeners: [listener], accepted: 100 })
      expect(backlogs).toEqual([0])
    })

    // The kernel drops the SYN of a client that finds the queue full. The client then waits a second for an answer.
    it('but not if clients of this process connect to other servers', async () => {
      await turnsToEmpty(dial, { listeners: [listener] })
      expect(backlogs).toEqual([])
    })
  })
})
