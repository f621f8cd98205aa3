/**
 * Runs tasks one after the other, round after round, so that what else the machine does meets them all. Gives the milliseconds of each
 * round, by name.
 */
export async function alternate(tasks, rounds, warmUps = 1) {
  const times = Object.fromEntries(Object.keys(tasks).map((name) => [name, []]))
  for (let round = -warmUps; round < rounds; round++) {
    for (const [name, task] of Object.entries(tasks)) {
      const begun = performance.now()
      await task()
      if (round >= 0) times[name].push(performance.now() - begun)
    }
  }
  return times
}
