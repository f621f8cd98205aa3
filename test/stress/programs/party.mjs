// One of the programs that run-together.mjs runs.
import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'

export const settings = workerData ?? JSON.parse(process.argv[2])

const channel = parentPort ?? process
const say = (message) => (parentPort === null ? process.send(message) : parentPort.postMessage(message))

// The program ends with the run, however that ends.
if (parentPort === null) process.once('disconnect', () => process.exit())

/** In each round calls `play`, sends what it `found`, and calls its `leave` when all others have answered too. */
export async function takePart(play) {
  let leave
  for (let word = await next({}); word !== 'end'; ) {
    try {
      if (word === 'go') {
        const played = await play()
        leave = played.leave
        word = await next({ found: played.found })
      } else {
        await leave?.()
        word = await next({})
      }
    } catch (error) {
      word = await next({ error: `${error.code ?? error.name}: ${error.message}` })
    }
  }
  // Nothing else may keep the process alive from here on.
  if (parentPort !== null) parentPort.close()
  else {
    process.removeAllListeners('disconnect')
    process.disconnect()
  }
}

async function next(answer) {
  const told = once(channel, 'message')
  say(answer)
  return (await told)[0]
}
