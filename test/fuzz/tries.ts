import type { Entry } from '../support/entries.js'
import { attempt } from './attempt.js'
import { pick, shuffled } from './random.js'
import { PLAUSIBLE, VALUES, type Value } from './values.js'

/** A change of the arguments of a call, with its name in complaints. */
export interface Try {
  readonly name: string
  readonly change: (args: unknown[]) => unknown[]
}

/** An option: the position of its object among the arguments, and the names that lead to it. */
interface Place {
  readonly position: number
  readonly path: readonly string[]
}

/** Every value at every argument position and every option, in random order. */
export async function systematic(entry: Entry, random: () => number): Promise<Try[]> {
  const places = await placesOf(entry)
  const tries = places.flatMap((place) => VALUES.map((value) => tryOf([[place, value]])))
  return shuffled(random, tries)
}

/** Endless combinations of good and bad values. Ends at once for a single place. */
export async function* combined(entry: Entry, random: () => number): AsyncGenerator<Try> {
  const places = await placesOf(entry)
  while (places.length > 1) {
    const several = shuffled(random, places).slice(0, 1 + Math.floor(random() * 4))
    // If a whole argument is replaced, its options are not.
    const whole = new Set(several.flatMap(({ position, path }) => (path.length === 0 ? [position] : [])))
    const chosen = several.filter(({ position, path }) => path.length === 0 || !whole.has(position))
    yield tryOf(chosen.map((place) => [place, pick(random, valuesFor(place, random))]))
  }
}

function valuesFor({ path }: Place, random: () => number): readonly Value[] {
  const name = path.at(-1) ?? ''
  const good = PLAUSIBLE[name]
  // A long timeout would make a long try.
  return good !== undefined && (name === 'timeout' || random() < 0.6) ? good : VALUES
}

function tryOf(changes: ReadonlyArray<readonly [Place, Value]>): Try {
  return {
    name: changes.map(([place, value]) => `${nameOf(place)} = ${value.name}`).join(', '),
    change: (args) => {
      // Shallow places come first, because they would overwrite the deeper ones.
      const ordered = [...changes].sort(([one], [other]) => one.path.length - other.path.length)
      for (const [place, value] of ordered) replace(args, place, value.make())
      return args
    },
  }
}

const nameOf = ({ position, path }: Place): string => [`argument ${position + 1}`, ...path].join('.')

function replace(args: unknown[], { position, path }: Place, value: unknown): void {
  const [first, second] = path
  if (first === undefined) args[position] = value
  else if (second === undefined) args[position] = { ...copied(args[position]), [first]: value }
  else {
    const outer = copied(args[position])
    args[position] = { ...outer, [first]: { ...copied(outer[first]), [second]: value } }
  }
}

function copied(value: unknown): Record<string, unknown> {
  try {
    return { ...(value as object) }
  } catch {
    return {}
  }
}

/** The argument positions, and the options that the function lists when it rejects an unknown option. */
async function placesOf(entry: Entry): Promise<Place[]> {
  const known = found.get(entry)
  if (known !== undefined) return known
  const args = await argumentsOf(entry)
  const places: Place[] = []
  for (const position of args.keys()) {
    const names = await namesAt(entry, { position, path: [] })
    places.push({ position, path: [] })
    for (const name of names) {
      const place = { position, path: [name] }
      places.push(place)
      for (const inner of await namesAt(entry, place)) places.push({ position, path: [name, inner] })
    }
  }
  found.set(entry, places)
  return places
}

const found = new WeakMap<Entry, Place[]>()

/** The arguments of an entry, without calling it. */
async function argumentsOf(entry: Entry): Promise<readonly unknown[]> {
  let args: readonly unknown[] = []
  const uncalled: Entry = {
    ...entry,
    make: async (use) => {
      const [, ...given] = await entry.make(use)
      args = given
      return [() => {}]
    },
  }
  await attempt(uncalled, (none) => none)
  return args
}

async function namesAt(entry: Entry, { position, path }: Place): Promise<string[]> {
  const { error } = await attempt(entry, (args) => {
    replace(args, { position, path: [...path, UNKNOWN] }, 1)
    return args
  })
  const { code, argument, expected } = (error ?? {}) as Record<string, unknown>
  if (code !== 'ERR_PORTSIDE_UNKNOWN_OPTION' || argument !== UNKNOWN) return []
  return String(expected).replace('one of ', '').split(', ')
}

const UNKNOWN = 'zzzzzz'

/** Whether the entry rejects unknown options. */
export async function refusesUnknown(entry: Entry): Promise<boolean> {
  if (entry.knows === undefined) return true
  const places = await placesOf(entry)
  return places.some(({ path }) => path.length === 1 && path[0] === entry.knows)
}
