/** Counts each word: `3 x had, 1 x EADDRINUSE`. */
export function tally(words: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return [...counts].map(([word, count]) => `${count} x ${word}`).join(', ') || 'none'
}
