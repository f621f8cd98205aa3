import { parseArgs } from 'node:util'
import { playMany } from './many.js'
import { PROTOCOLS, type Protocol } from './schedule.js'
import type { Portside } from './server.js'

// Plays drains by random schedules and prints broken promises, with the seed and the schedule:
// `npx tsx test/models/drain/run.ts --seconds 60 --seed 1 --protocols http,h2`. To repeat one, with the same protocols:
// `--seed N --count 1`.
const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    count: { type: 'string' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    protocols: { type: 'string', default: PROTOCOLS.join() },
    together: { type: 'string', default: '4' },
    /** How many schedules of each kind are printed, up to 10. */
    show: { type: 'string', default: '2' },
    /** For programs: all counts. */
    json: { type: 'boolean', default: false },
    /** The package under test, as a path from here. */
    portside: { type: 'string', default: '../../../src/index.js' },
  },
})
const { seconds, count } = values
const begun = performance.now()
const portside = (await import(values.portside)) as Portside
const many = await playMany(portside, {
  seed: Number(values.seed),
  seconds: Number(seconds ?? (count === undefined ? 60 : Number.POSITIVE_INFINITY)),
  protocols: values.protocols.split(',') as Protocol[],
  together: Number(values.together),
  ...(count === undefined ? {} : { count: Number(count) }),
})
const took = (performance.now() - begun) / 1000
const report = (): string =>
  [
    `Node ${process.version}, seed ${values.seed}, ${values.protocols}`,
    `${many.schedules} schedules in ${took.toFixed(1)} s, ${(many.schedules / took).toFixed(1)} a second; longest lag ${Math.round(many.longestLag)} ms`,
    `${many.accepted} connections accepted; ${many.begun} requests begun, ${many.answered} answered; ${many.forced} connections closed by force`,
    `late while others ran: ${many.late}; of these, played again alone: ${many.lateAlone}`,
    `open sockets: ${many.socketsBefore} before, ${many.socketsAfter} after`,
    ...[...many.kinds]
      .sort()
      .flatMap(([kind, { count, first }]) => [
        `${String(count).padStart(6)} x ${kind}`,
        ...first
          .slice(0, Number(values.show))
          .flatMap(({ seed, detail, schedule }) => [
            `    seed ${seed}: ${detail}`,
            `      ${JSON.stringify(schedule)}`,
          ]),
      ]),
    ...(many.kinds.size > 0 ? [] : ['no complaint']),
  ].join('\n')
const failed = many.kinds.size > 0 || many.socketsAfter > many.socketsBefore
const said = values.json ? JSON.stringify({ ...many, kinds: [...many.kinds] }) : report()
// A socket left open would keep this process running.
process.stdout.write(`${said}\n`, () => process.exit(failed ? 1 : 0))
