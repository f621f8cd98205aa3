import { nearest } from '../../nearest.js'

/** The entries of portside, each with its description in messages. */
const ENTRIES: Readonly<Record<string, string>> = {
  portside: 'does not start the leak check',
  'portside/get-port': 'does not start the leak check',
  'portside/register': 'tracks sockets but does not check them',
  'portside/vitest': 'is for imports in test files of Vitest',
  'portside/vitest/setup': 'is for setupFiles of Vitest',
  'portside/vitest/plugin': 'is for plugins of Vitest',
  'portside/vitest/pool': 'is for pool of Vitest',
  'portside/jest': 'is for setupFilesAfterEnv of Jest',
  'portside/jest-environment': 'is for testEnvironment of Jest',
  'portside/jest-preset': "is the preset 'portside' of Jest",
  'portside/jest-runner': 'is for runner of Jest',
  'portside/mocha': 'is for --require of Mocha',
  'portside/playwright': 'is for imports in test files of Playwright',
  'portside/bun': 'is for preload of bun test',
  'portside/deno': 'is for imports in test files of Deno',
  'portside/node-test': 'is for --import of node:test',
}

export const isPortside = (text: string): boolean => text === 'portside' || text.startsWith('portside/')

/** Describes an entry in the wrong place, as the end of a sentence. */
export function whyWrong(entry: string): string {
  if (Object.hasOwn(ENTRIES, entry)) return `which ${ENTRIES[entry]}`
  const meant = nearest(entry, Object.keys(ENTRIES))
  return `which portside does not have${meant === undefined ? '' : ` (did you mean '${meant}'?)`}`
}
