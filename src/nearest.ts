/** The name that a misspelt name most likely means; undefined if none is close. It ignores case; the first of equals wins. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  let found: string | undefined
  let least = Number.POSITIVE_INFINITY
  for (const candidate of names) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    // One edit in three characters: 'jsn' means 'json', and 'ls' does not mean 'who'.
    const most = Math.floor((Math.max(name.length, candidate.length) + 1) / 3)
    if (distance > most || distance >= least) continue
    found = candidate
    least = distance
  }
  return found
}

/** Insertions, deletions, substitutions and swaps of neighbors: the optimal string alignment distance. */
function editDistance(one: string, other: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: other.length + 1 }, (_, column) => column)
  for (let row = 1; row <= one.length; row++) {
    const current = [row]
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1]
      const swapped = row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1]
      current[column] = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (same ? 0 : 1),
        swapped ? at(beforeLast, column - 2) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    beforeLast = last
    last = current
  }
  return at(last, other.length)
}

const at = (row: readonly number[], column: number): number => row[column] ?? Number.POSITIVE_INFINITY
