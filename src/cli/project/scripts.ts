/** One command of a script of package.json. */
export interface Command {
  /** The name of the script. */
  readonly script: string
  /** The whole script. */
  readonly text: string
  readonly words: readonly string[]
  readonly env: ReadonlyMap<string, string>
}

/** The commands of all scripts, as a shell would split them. */
export function commandsOf(scripts: Readonly<Record<string, unknown>>): Command[] {
  return Object.entries(scripts).flatMap(([script, text]) =>
    typeof text === 'string' && text.length <= LONGEST ? commandsIn(script, text, text, new Map(), 0) : [],
  )
}

/** A handwritten script is shorter. */
const LONGEST = 20_000

function commandsIn(
  script: string,
  whole: string,
  text: string,
  outer: ReadonlyMap<string, string>,
  depth: number,
): Command[] {
  const env = new Map(outer)
  return simpleCommands(text).flatMap((all) => {
    const first = all.findIndex((word) => !ASSIGNMENT.test(word) && !SETTING.has(word))
    const words = first === -1 ? [] : all.slice(first)
    // `A=b command` sets a variable for one command, `export A=b` for all that follow.
    const own = new Map([...env, ...assignments(all.slice(0, first === -1 ? all.length : first))])
    if (words.length === 0) for (const [name, value] of own) env.set(name, value)
    // concurrently, sh -c and nodemon --exec take a command as one argument.
    const nested = depth < 3 ? words.filter((word) => /\s/.test(word)) : []
    return [
      ...(words.length === 0 ? [] : [{ script, text: whole, words, env: own }]),
      ...nested.flatMap((word) => commandsIn(script, whole, word, own, depth + 1)),
    ]
  })
}

const ASSIGNMENT = /^\w+=/
/** These words come before assignments. */
const SETTING = new Set(['cross-env', 'cross-env-shell', 'env', 'export', 'set', 'npx'])

const assignments = (words: readonly string[]): Array<[string, string]> =>
  words.flatMap((word) => {
    const [, name, value] = /^(\w+)=([\s\S]*)$/.exec(word) ?? []
    return name === undefined ? [] : [[name, value ?? '']]
  })

const PIECE = /\\([\s\S])|"((?:\\[\s\S]|[^"\\])*)"?|'([^']*)'?|(&&|\|\||[;|&\n])|([^\S\n]+)|([^\s"'\\;|&]+)/g

function simpleCommands(text: string): string[][] {
  const commands: string[][] = [[]]
  let word: string | undefined
  const endWord = (): void => {
    if (word !== undefined) commands.at(-1)?.push(word)
    word = undefined
  }
  for (const [, escaped, double, single, end, space, plain] of text.matchAll(PIECE)) {
    if (end !== undefined) {
      endWord()
      commands.push([])
    } else if (space !== undefined) endWord()
    else word = (word ?? '') + (escaped ?? double?.replace(/\\(["\\$`])/g, '$1') ?? single ?? plain ?? '')
  }
  endWord()
  return commands.filter((command) => command.length > 0)
}

/** A command that runs a test runner: the words on either side of its name. */
export interface Run extends Command {
  /** Words of Node or of a program that starts the runner. */
  readonly before: readonly string[]
  readonly after: readonly string[]
}

/** The commands that run one of these programs, such as `vitest`, `npx vitest`, `node --import x node_modules/.bin/vitest`. */
export function runsOf(commands: readonly Command[], programs: readonly string[]): Run[] {
  return commands.flatMap((command) => {
    const { words } = command
    const at = words.findIndex(
      (word, index) => programs.includes(programOf(word)) && !TAKING.has(words[index - 1] ?? ''),
    )
    if (at === -1 || (at > 0 && !canStart(words))) return []
    return [{ ...command, before: words.slice(0, at), after: words.slice(at + 1) }]
  })
}

/** `node_modules/.bin/jest`, `./node_modules/vitest/vitest.mjs`: the name of the program. Other paths are files of the project. */
function programOf(word: string): string {
  const [, name] = /node_modules[/\\](?:.*[/\\])?([^/\\]*)$/.exec(word) ?? []
  return name?.replace(/\.[cm]?js$/, '') ?? word
}

/** Options whose value is not a program. */
const TAKING = new Set(['--require', '-r', '--import', '--loader', '--config', '-c'])

/** Programs that start another one. */
const STARTERS = new Set(
  'node npm npx pnpm pnpx yarn bun bunx c8 nyc tsx ts-node dotenv dotenvx time nice sudo timeout nodemon portside concurrently'.split(
    ' ',
  ),
)
const INSTALLING = new Set(['install', 'i', 'add', 'remove', 'rm', 'uninstall', 'up', 'update'])

function canStart([first = '', second = '']: readonly string[]): boolean {
  // `npm run vitest` runs a script of that name, which is read separately.
  const installs = INSTALLING.has(second) || (first === 'npm' && second === 'run')
  return STARTERS.has(programOf(first)) && (first === 'portside' || !installs)
}

/** The values of an option: `--require x`, `--require=x`. */
export function optionValues(words: readonly string[], ...names: readonly string[]): string[] {
  return words.flatMap((word, index) => {
    const name = names.find((one) => word === one || word.startsWith(`${one}=`))
    if (name === undefined) return []
    const value = word === name ? words[index + 1] : word.slice(name.length + 1)
    return value === undefined ? [] : [value]
  })
}

/** The options that a command passes to Node in NODE_OPTIONS. */
export const nodeOptions = ({ env }: Command): string[] => simpleCommands(env.get('NODE_OPTIONS') ?? '').flat()
