import { parseArgs } from 'node:util'
import { openSockets } from '../../support/kernel.js'
import { Foreigners } from './foreigners.js'
import { type Complaint, judge } from './judge.js'
import { leftInKernel } from './kernel.js'
import { type Played, play } from './play.js'
import { PROTOCOLS, type Protocol, scheduleFrom } from './schedule.js'
import type { Portside } from './server.js'

// npx tsx test/models/drain/run.ts --seconds 60 --seed 1 --protocols http,h2
// Schedule i of a run has the seed `seed + i`: `--seed N --count 1` plays one again.

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    count: { type: 'string' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    protocols: { type: 'string', default: PROTOCOLS.join() },
    together: { type: 'string', default: '4' },
    show: { type: 'string', default: '2' },
    portside: { type: 'string', default: '../../../src/index.js' },
  },
})
const protocols = values.protocols.split(',') as Protocol[]
const seed = Number(values.seed)
const count = values.count === undefined ? Number.POSITIVE_INFINITY : Number(values.count)
const until = performance.now() + 1000 * Number(values.seconds ?? (values.count === undefined ? 60 : 1e6))
const portside = (await import(values.portside)) as Portside

await using foreigners = new Foreigners()
/** The first schedule makes the certificate, and what else stays for good. */
for (const protocol of protocols)
  await play(
    {
      protocol,
      serves: 'echo',
      clients: [],
      closes: [{ after: 0, grace: 0, force: 'destroy' }],
      phase: 'timer',
      abort: null,
    },
    0,
    portside,
    foreigners,
  )
const base = openSockets().length
const kinds = new Map<string, { count: number; shown: string[] }>()
const sums = { schedules: 0, accepted: 0, begun: 0, answered: 0, named: 0, longest: 0 }
const begun = performance.now()
const late: Played[] = []

function note(played: Played, complaints: readonly Complaint[]): void {
  for (const { kind, detail } of complaints) {
    if (kind === 'late' && Number(values.together) > 1) {
      late.push(played)
      continue
    }
    const name = `${played.schedule.protocol}: ${kind}`
    const entry = kinds.get(name) ?? { count: 0, shown: [] }
    kinds.set(name, entry)
    entry.count++
    if (entry.shown.length < Number(values.show))
      entry.shown.push(`seed ${played.seed}: ${detail}\n      ${JSON.stringify(played.schedule)}`)
  }
}

for (let next = 0; next < count && performance.now() < until; ) {
  // A few lanes: one slow schedule does not hold up the others.
  const over: Played[] = []
  const end = Math.min(count, next + 20 * Number(values.together))
  const lane = async (): Promise<void> => {
    while (next < end && performance.now() < until) {
      const own = seed + next++
      const played = await play(scheduleFrom(own, protocols), own, portside, foreigners)
      over.push(played)
      note(played, judge(played))
      sums.schedules++
      sums.accepted += played.accepted.length
      sums.begun += played.begun.size
      sums.longest = Math.max(sums.longest, played.lag)
      for (const request of [...played.own.requests, ...played.foreign.requests]) if (request.answered) sums.answered++
      sums.named += played.report?.outcomes.filter(({ outcome }) => outcome !== 'closed').length ?? 0
    }
  }
  await Promise.all(Array.from({ length: Number(values.together) }, lane))
  // Closed sockets leave the process a turn later.
  for (let i = 0; i < 10; i++) await new Promise((resolve) => void setImmediate(resolve))
  for (const [played, complaints] of leftInKernel(over)) note(played, complaints)
}

// Beside others a turn of the event loop takes long, and an end takes several. Alone, it must come in time.
const alone = late.slice(0, 20)
let lateAlone = 0
for (const { schedule, seed } of alone) {
  const again = await play(schedule, seed, portside, foreigners)
  const complaint = judge(again).find(({ kind }) => kind === 'late')
  if (complaint === undefined) continue
  lateAlone++
  note(again, [{ kind: 'late, alone', detail: complaint.detail }])
}

const seconds = (performance.now() - begun) / 1000
for (let i = 0; i < 100 && openSockets().length > base; i++)
  await new Promise((resolve) => void setTimeout(resolve, 10))
console.log(`Node ${process.version}, seed ${seed}, ${protocols.join()}`)
console.log(
  `${sums.schedules} schedules in ${seconds.toFixed(1)} s, ${(sums.schedules / seconds).toFixed(1)} a second; longest lag ${Math.round(sums.longest)} ms`,
)
console.log(
  `${sums.accepted} connections accepted; ${sums.begun} requests begun, ${sums.answered} answered; ${sums.named} connections ended by force`,
)
console.log(`late beside others: ${late.length}; of ${alone.length} played again alone: ${lateAlone}`)
console.log(`open sockets: ${base} before, ${openSockets().length} after`)
for (const [kind, { count, shown }] of [...kinds].sort())
  console.log(`${String(count).padStart(6)} x ${kind}\n    ${shown.join('\n    ')}`)
if (kinds.size > 0 || openSockets().length > base) process.exitCode = 1
else console.log('no complaint')
