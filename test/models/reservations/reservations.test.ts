import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { expect, it, type TestContext } from 'vitest'
import { listensWhileHeld } from '../../../src/platform/port-hold.js'
import { keptFree } from '../../ports/kept-free.js'
import { needsDescriptors } from '../../support/here.js'

const HOLDER = fileURLToPath(new URL('holder.mjs', import.meta.url))
const PORTS = 3
const HOLDERS = ['process', 'process', 'thread', 'thread'] as const

interface Told {
  readonly action: 'reserve' | 'release' | 'listen'
  readonly port: number
  readonly protocol: 'tcp' | 'udp' | 'both'
}

/** A process or a thread that reserves ports. It is started again after it exits. */
class Holder {
  #runner: ReturnType<typeof fork> | Worker | undefined

  constructor(readonly as: (typeof HOLDERS)[number]) {}

  async ask(told: Told): Promise<string> {
    const runner = this.#runner ?? (await this.#start())
    const answer = once(runner, 'message')
    if (runner instanceof Worker) runner.postMessage(told)
    else runner.send(told)
    return (await answer)[0]
  }

  async end(): Promise<void> {
    const runner = this.#runner
    this.#runner = undefined
    if (runner === undefined) return
    const exited = once(runner, 'exit')
    if (runner instanceof Worker) await runner.terminate()
    else runner.kill('SIGKILL')
    await exited
  }

  async #start() {
    const runner = this.as === 'thread' ? new Worker(HOLDER) : fork(HOLDER)
    await once(runner, 'message')
    this.#runner = runner
    return runner
  }
}

const index = fc.nat(PORTS - 1)
const who = fc.nat(HOLDERS.length - 1)
const protocol = fc.constantFrom('tcp' as const, 'udp' as const, 'both' as const)
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ action: fc.constant('reserve' as const), who, index, protocol }) },
  // Two at the same moment.
  { weight: 3, arbitrary: fc.record({ action: fc.constant('race' as const), who, other: who, index, protocol }) },
  {
    weight: 3,
    arbitrary: fc.record({ action: fc.constantFrom('release' as const, 'listen' as const), pick: fc.nat() }),
  },
  { weight: 1, arbitrary: fc.record({ action: fc.constant('end' as const), who }) },
)

interface Held {
  readonly who: number
  readonly index: number
  readonly protocol: Told['protocol']
}

it('lets only one process or thread reserve a port until it is released or its holder exits', async (context: TestContext) => {
  if (!listensWhileHeld()) context.skip('on this system a held port cannot be reserved')
  // Two threads that load the sources at once open this many files.
  needsDescriptors(context, 512)
  const kept = await Promise.all(Array.from({ length: PORTS }, keptFree))
  const holders = HOLDERS.map((as) => new Holder(as))
  const ask = (action: Told['action'], { who, index, protocol }: Held) =>
    holders[who]!.ask({ action, port: kept[index]!.port, protocol })
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 16 }), async (steps) => {
        // The ports that must be held now, and their holders.
        let model: Held[] = []
        const taken = (index: number, protocol: Told['protocol']) =>
          model.some(
            (held) =>
              held.index === index && (held.protocol === protocol || [held.protocol, protocol].includes('both')),
          )
        for (const each of steps) {
          if (each.action === 'end') {
            await holders[each.who]!.end()
            model = model.filter(({ who }) => who !== each.who)
          } else if (each.action === 'reserve') {
            const expected = taken(each.index, each.protocol) ? 'EADDRINUSE' : 'had'
            expect(await ask('reserve', each)).toBe(expected)
            if (expected === 'had') model.push(each)
          } else if (each.action === 'race') {
            if (each.who === each.other) continue
            const both = [each, { ...each, who: each.other }]
            const answers = await Promise.all(both.map((one) => ask('reserve', one)))
            const winners = both.filter((_, at) => answers[at] === 'had')
            expect([answers.length - winners.length, winners.length]).toEqual(
              taken(each.index, each.protocol) ? [2, 0] : [1, 1],
            )
            model.push(...winners)
          } else if (model.length > 0) {
            const held = model[each.pick % model.length] as Held
            // A portside server listens only on TCP here.
            if (each.action === 'listen' && held.protocol === 'udp') continue
            expect(await ask(each.action, held)).toBe('had')
            if (each.action === 'release') model = model.filter((one) => one !== held)
          }
        }
        for (const held of model) expect(await ask('release', held)).toBe('had')
      }),
      { seed: 1, numRuns: 8, endOnFailure: true },
    )
  } finally {
    await Promise.all(holders.map((holder) => holder.end()))
    await Promise.all(kept.map((port) => port[Symbol.asyncDispose]()))
  }
})
