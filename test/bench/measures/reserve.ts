import type { Lab } from '../lab.js'
import { inMicroseconds, mediansOf } from '../statistics.js'
import { type Measure, tableOf, type Way } from '../table.js'

const WAYS: readonly Way[] = [
  { name: 'portside', is: 'portside', bar: 250 },
  { name: 'portside, another held', is: 'portside' },
  { name: 'portside, dual', is: 'portside' },
  { name: 'connect and accept', is: 'plain' },
  { name: 'get-port', is: 'peer' },
  { name: 'get-port-please', is: 'peer' },
  { name: 'detect-port', is: 'peer' },
  { name: 'portfinder', is: 'peer' },
]

/** `reservePort()` and `release()`, beside the connection that holds the port and beside packages that find a port. */
export const reserve: Measure<Lab> = {
  name: 'reserve',
  title: 'A port',
  about:
    '`reservePort()` and `release()`, in turns with the connection that holds a port, opened and closed by hand, and with packages that ' +
    'find a port by their defaults. They hold nothing: another process can take the port that they return.',
  async run(lab) {
    const samples = await lab.inRuns(async () =>
      inMicroseconds(mediansOf(await lab.program('reserve.mjs', [lab.times(2000, 600)]))),
    )
    return [
      tableOf('a port reserved and released, or found', 'us', WAYS, samples, [
        { of: 'portside', beside: 'connect and accept', bar: 1.3 },
        { of: 'portside, another held', beside: 'connect and accept', bar: 1.3 },
        { of: 'portside', beside: 'get-port', bar: 1 },
        { of: 'portside', beside: 'get-port-please' },
        { of: 'portside', beside: 'detect-port' },
        { of: 'portside', beside: 'portfinder' },
      ]),
    ]
  },
}
