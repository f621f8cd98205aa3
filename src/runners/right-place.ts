import { type PortsideError, portsideError } from '../errors.js'
import { isMochaProgram, type RunnerName, runnerProgram, thisRunner } from './this-runner.js'

/** How to set up each runner. */
export const ENTRIES: Readonly<Record<RunnerName, string>> = {
  Vitest: "plugins: [portside()] with the default export of 'portside/vitest/plugin', in the configuration of Vitest",
  Jest: "preset: 'portside', in the configuration of Jest",
  Mocha: 'mocha --require portside/mocha',
  Playwright: "import { expect, test } from 'portside/playwright', in test files of Playwright",
  'deno test': "import 'portside/deno', in test files of Deno",
  'node:test': 'node --import portside/node-test --test',
  'bun test': "preload = ['portside/bun'] under [test] in bunfig.toml, or bun test --preload portside/bun",
}

/**
 * Throws ERR_PORTSIDE_UNSUPPORTED if an entry cannot work where it is loaded: in another runner, or preloaded by Node, unless
 * `preloadable`. Otherwise it would silently do nothing.
 */
export function checkPlace(entry: string, runner: RunnerName, preloadable = false): void {
  const running = thisRunner()
  const here = running ?? runnerProgram()
  if (here !== undefined && here !== runner) {
    throw misplaced(entry, `${here} runs this process, but the entry is for ${runner}`, ENTRIES[here])
  }
  if (!preloadable && running === undefined) checkPreloads(entry, runner)
}

/** The check for an entry of a runner's main process, where no test runs. A test of another runner may have started that process. */
export function checkPreloads(entry: string, runner: RunnerName): void {
  if (isPreloaded(entry))
    throw misplaced(entry, `node --import and --require load it before ${runner} runs`, ENTRIES[runner])
  if (isMochaProgram() && isPreloaded(entry, { execArgv: process.argv, env: {} }))
    throw misplaced(entry, `Mocha requires it, but it is for ${runner}`, ENTRIES.Mocha)
}

/** Throws for an entry of Vitest's configuration that `setupFiles` names. */
export function checkNoSetupFile(entry: string): never {
  throw misplaced(entry, 'setupFiles names it, but it is for the configuration of Vitest', ENTRIES.Vitest)
}

/** `entry` is empty for `portside` itself. */
export function misplaced(entry: string, because: string, write: string): PortsideError {
  const headline = `Cannot use ${nameOf(entry)} here`
  return portsideError('ERR_PORTSIDE_UNSUPPORTED', { headline, because, next: `write ${write}` })
}

const nameOf = (entry: string): string => (entry === '' ? 'portside' : `portside/${entry}`)

/** Whether the options of Node preload an entry, by its name or by its file. */
export function isPreloaded(entry: string, { execArgv, env } = process as Preloads): boolean {
  const given = [...execArgv, ...(env.NODE_OPTIONS ?? '').split(/\s+/)]
  return given.some((argument, index) => {
    const [, value] = /^(?:--import|--require|-r)=?(.*)$/.exec(argument) ?? []
    const named = value === '' ? given[index + 1] : value
    return named !== undefined && isEntry(named.replace(/^["']|["']$/g, ''), entry)
  })
}

interface Preloads {
  readonly execArgv: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

const isEntry = (named: string, entry: string): boolean =>
  named === nameOf(entry) ||
  new RegExp(`[/\\\\]portside[/\\\\]dist[/\\\\]${entry.replace('/', '-') || 'index'}\\.c?js$`).test(named)
