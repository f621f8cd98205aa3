// Runs one program many times at once, as processes or threads: all begin at the same moment, and none leaves before all
// have answered. Prints what each one found, for each round.
// Settings: { path, count, as: 'processes' | 'threads', rounds, settings }
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

const { path, count, as, rounds, settings } = JSON.parse(process.argv[2])

/** Longest that one may go on running when it has nothing left to do, in milliseconds. */
const LEAVING = 15_000

const parties = Array.from({ length: count }, (_, index) => {
  const own = { ...settings, index }
  const runner = as === 'threads' ? new Worker(path, { workerData: own }) : fork(path, [JSON.stringify(own)])
  const exited = once(runner, 'exit').then(([code, signal]) => code ?? signal)
  return {
    exited,
    /** Its next message. */
    async hears() {
      const died = exited.then((how) =>
        Promise.reject(new Error(`number ${index} ended with ${how} before it answered`)),
      )
      const [message] = await Promise.race([once(runner, 'message'), died])
      if (message.error !== undefined) throw new Error(`number ${index}: ${message.error}`)
      return message
    },
    tell: (word) => (as === 'threads' ? runner.postMessage(word) : runner.send(word)),
  }
})

/** Tells all of them, and gives what they say next. */
const round = (word) => {
  // Asked for before they are told: they may answer at once.
  const answers = parties.map((party) => party.hears())
  for (const party of parties) if (word !== undefined) party.tell(word)
  return Promise.all(answers)
}

await round()
const found = []
for (let i = 0; i < rounds; i++) {
  found.push((await round('go')).map((answer) => answer.found))
  await round('leave')
}
const late = setTimeout(() => {
  throw new Error(`not all have ended ${LEAVING / 1000} s after the last had nothing left to do`)
}, LEAVING)
for (const party of parties) party.tell('end')
for (const [index, how] of (await Promise.all(parties.map(({ exited }) => exited))).entries()) {
  if (how !== 0) throw new Error(`number ${index} ended with ${how}`)
}
clearTimeout(late)
process.stdout.write(JSON.stringify(found))
