// Runs one program many times in parallel, as processes or threads. All begin at the same moment, and none leaves before all
// have answered. Prints the result of each, for each round.
// Settings: { path, count, as: 'processes' | 'threads', rounds, settings }
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

const { path, count, as, rounds, settings } = JSON.parse(process.argv[2])

/** Longest time for one to exit when it has nothing left to do, in milliseconds. */
const LEAVING = 15_000

const parties = Array.from({ length: count }, (_, index) => {
  const own = { ...settings, index }
  const runner = as === 'threads' ? new Worker(path, { workerData: own }) : fork(path, [JSON.stringify(own)])
  const exited = once(runner, 'exit').then(([code, signal]) => code ?? signal)
  return {
    exited,
    /** Resolves to its next message. */
    async hears() {
      const died = exited.then((how) =>
        Promise.reject(new Error(`number ${index} exited with ${how} before it answered`)),
      )
      const [message] = await Promise.race([once(runner, 'message'), died])
      if (message.error !== undefined) throw new Error(`number ${index}: ${message.error}`)
      return message
    },
    tell: (word) => (as === 'threads' ? runner.postMessage(word) : runner.send(word)),
  }
})

/** Sends a message to all of them, and resolves to their next messages. */
const round = (word) => {
  // Listens before it sends, because they may answer immediately.
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
  throw new Error(`not all have exited ${LEAVING / 1000} s after the last had nothing left to do`)
}, LEAVING)
for (const party of parties) party.tell('end')
for (const [index, how] of (await Promise.all(parties.map(({ exited }) => exited))).entries()) {
  if (how !== 0) throw new Error(`number ${index} exited with ${how}`)
}
clearTimeout(late)
process.stdout.write(JSON.stringify(found))
