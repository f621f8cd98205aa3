import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as portside from '../../../src/index.js'
import { Foreigners } from './foreigners.js'
import { judge } from './judge.js'
import { leftInKernel } from './kernel.js'
import { play } from './play.js'
import { PROTOCOLS, type Schedule, scheduleFrom } from './schedule.js'
import type { Portside } from './server.js'

/** `npx tsx test/models/drain/run.ts` plays as many as time allows. */
const SEEDS = Array.from({ length: 8 }, (_, index) => index + 1)

let foreigners: Foreigners
beforeAll(() => {
  foreigners = new Foreigners()
})
afterAll(() => foreigners[Symbol.asyncDispose]())

describe.each(PROTOCOLS)('the drain of a server of %s', (protocol) => {
  it.each(SEEDS)('keeps its promises in the schedule of seed %i', async (seed) => {
    const played = await play(scheduleFrom(seed, [protocol]), seed, portside, foreigners)
    expect([...judge(played), ...(leftInKernel([played]).get(played) ?? [])], JSON.stringify(played.schedule)).toEqual(
      [],
    )
  })
})

/** A server that cuts every connection and reports it as closed. */
const cutting = {
  ...portside,
  async listenHttp(handler: portside.RequestHandler) {
    const listener = await portside.listenHttp(handler)
    const close = async () => {
      const { outcomes, ...rest } = await listener.close({ grace: 0, force: 'reset' })
      return {
        ...rest,
        reset: 0,
        closed: outcomes.length,
        outcomes: outcomes.map((each) => ({ ...each, outcome: 'closed' })),
      }
    }
    return { server: listener.server, address: listener.address, port: listener.port, close }
  },
} as unknown as Portside

const inFlight = (foreign: boolean): Schedule => ({
  protocol: 'http',
  serves: 'echo',
  clients: [{ foreign, at: 0, kind: 'agent', lanes: 4, requests: 1, pause: 0, reaction: { kind: 'ms', n: 10_000 } }],
  closes: [{ after: 0, grace: 3000, force: 'destroy' }],
  phase: 'request',
  abort: null,
})

it.each([
  ['this', false],
  ['another', true],
])('notices that requests from %s process are cut', async (_, foreign) => {
  const kinds = judge(await play(inFlight(foreign), 0, cutting, foreigners)).map(({ kind }) => kind)
  expect(kinds).toContain(foreign ? 'lost, foreign' : 'lost')
})
