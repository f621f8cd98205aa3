import { styleText } from 'node:util'
import { bounded, escaped, LABEL_WIDTH, labelledLine, listOf, MOST_ITEMS } from '../message.js'
import { formatTuple } from '../sockets/tuple.js'
import { type Alive, aliveReport } from './alive-report.js'
import type { SocketLeak } from './socket-leak.js'
import { placeOf, shortened, sourceOf, sourceShownByRunner } from './source-place.js'
import { userFrame } from './stack.js'

/**
 * For people, without colours. Leaks of one line are one item. The first ten items are described, the others counted by kind, place and
 * test.
 */
export function report(leaks: readonly SocketLeak[], { alive = [], framed = false }: ReportOptions = {}): string {
  if (leaks.length === 0) return `portside: ${aliveReport(alive)}`
  const otherEnds = pairs(leaks)
  const told = new Set(otherEnds.values())
  const groups = grouped(leaks.filter((leak) => !told.has(leak)))
  const named = oneTest(leaks) !== undefined && !leaks.some(({ late }) => late)
  const items = groups
    .slice(0, MOST_ITEMS)
    .map((group, index) => bounded(describe(group, otherEnds, { number: index + 1, named, framed }), LONGEST_ITEM))
  const others = groups
    .slice(MOST_ITEMS)
    .flat()
    .flatMap((leak) => [leak, otherEnds.get(leak) ?? []].flat())
  return [
    bounded(headline(leaks), LONGEST_ITEM),
    ...items,
    ...(others.length === 0 ? [] : [counts(others)]),
    ...(alive.length === 0 ? [] : [aliveReport(alive, 'also')]),
  ].join('\n\n')
}

export interface ReportOptions {
  readonly alive?: readonly Alive[]
  /** The runner shows the source line of the first leak, by the stack of the error. */
  readonly framed?: boolean
}

type Group = readonly [SocketLeak, ...SocketLeak[]]

/** Leaks of one kind that one line has opened, in the order of the first of each. */
function grouped(leaks: readonly SocketLeak[]): Group[] {
  const groups = new Map<unknown, [SocketLeak, ...SocketLeak[]]>()
  for (const leak of leaks) {
    const { kind, openedAt, acceptedBy, howToClose, request, late } = leak
    const outside = leak.test === undefined ? leak.file : ''
    const place = placeOf(openedAt)
    const name = userFrame(openedAt)?.function
    const accepted = acceptedBy && placeOf(acceptedBy.openedAt)
    // Two leaks without a place may have nothing in common. A client between two attempts is a leak of its own.
    const alone = place === undefined || leak.redials !== undefined
    const parts = [kind, place, name, accepted, howToClose, request, late, outside]
    const key = alone ? leak : parts.map((part) => bounded(String(part), LONGEST_GROUP)).join('\n')
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [leak])
    else group.push(leak)
  }
  return [...groups.values()]
}

/** In characters of up to 3 bytes. Ten items, with the headline and the counts, stay below 64 kB. */
const LONGEST_ITEM = 1500

/** `and 30 more:`, then the number for each kind, place and test. */
function counts(leaks: readonly SocketLeak[]): string {
  const groups = new Map<string, number>()
  for (const { kind, openedAt, test } of leaks) {
    const where = placeOf(openedAt)
    const place = where === undefined ? '' : `, ${kind === 'accepted' ? 'connect at' : 'opened at'} ${where}`
    const group = bounded(`${kind}${place}${test === undefined ? '' : `, by '${escaped(test)}'`}`, LONGEST_GROUP)
    groups.set(group, (groups.get(group) ?? 0) + 1)
  }
  const most = [...groups].sort(([, one], [, other]) => other - one)
  return `and ${leaks.length} more:\n${listOf(most, ([group, count]) => `  ${count} ${group}`)}`
}

const LONGEST_GROUP = 300

/**
 * Through the current console, which a runner may show with the test. If a test has replaced it by a console that throws, through the
 * first.
 */
export function printReport(text: string): void {
  try {
    console.warn(printable(text))
  } catch {
    warn(printable(text))
  }
}

const warn = console.warn.bind(console)

/** For `console.warn`: in colours on a terminal, unless NO_COLOR is set (https://no-color.org). */
export function printable(
  text: string,
  { isTTY }: { isTTY?: boolean | undefined } = process.stderr,
  env = process.env,
): string {
  if (isTTY !== true || env.NO_COLOR) return text
  return text
    .split('\n')
    .map((line, index) => (index === 0 ? styled('bold', line) : MARKED.test(line) ? styled('red', line) : line))
    .join('\n')
}

/** The stream is not validated: Node would ask another stream than standard error. */
const styled = (format: 'bold' | 'red', line: string): string => styleText(format, line, { validateStream: false })

const MARKED = /^ +> +\d+ \| |^ +\| +\^$/

function headline(leaks: readonly SocketLeak[]): string {
  const clients = leaks.filter(({ redials }) => redials !== undefined).length
  const sockets = leaks.length - clients
  const test = oneTest(leaks)
  const open = counted(sockets, 'socket')
  const redialling = clients === 1 ? '1 client that reconnects' : `${clients} clients that reconnect`
  if (test === undefined) {
    if (clients === 0) return `portside: ${open} left open.`
    return sockets === 0 ? `portside: ${redialling}.` : `portside: ${open} left open, and ${redialling}.`
  }
  const whose = `portside: '${escaped(test)}' left`
  if (clients === 0) return `${whose} ${open} open.`
  return sockets === 0 ? `${whose} ${redialling}.` : `${whose} ${open} open, and ${redialling}.`
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

/** The test that left all leaks; undefined if there are several or none. */
function oneTest(leaks: readonly SocketLeak[]): string | undefined {
  const tests = new Set(leaks.map(({ test }) => test))
  return tests.size === 1 ? leaks[0]?.test : undefined
}

interface ItemOptions {
  readonly number: number
  /** Whether the headline names the test. */
  readonly named: boolean
  readonly framed: boolean
}

function describe(group: Group, otherEnds: ReadonlyMap<SocketLeak, SocketLeak>, options: ItemOptions): string {
  const [leak] = group
  const { number, named } = options
  const { kind, howToClose, openedAt, acceptedBy, request, redials } = leak
  if (redials !== undefined) return describeClient(leak, redials, options)
  const source = number === 1 && options.framed ? sourceShownByRunner(openedAt) : sourceOf(openedAt)
  const otherEnd = group.length === 1 ? otherEnds.get(leak) : undefined
  const accepted = otherEnds.get(leak)?.acceptedBy ?? acceptedBy
  return [
    group.length === 1
      ? `${number}. ${kind} ${nameOf(leak)}`.trimEnd()
      : `${number}. ${kind} (${group.length} sockets)`,
    ...(group.length === 1 ? [] : [labelledLine('sockets', aligned(group.map(nameOf)))]),
    ...(named ? [] : whose(group)),
    ...(request === undefined ? [] : [labelledLine('request', `${request}, the last on this connection`)]),
    labelledLine(kind === 'accepted' ? 'connect at' : 'opened at', source),
    ...(accepted === undefined ? [] : [labelledLine('accepted', listenerOf(accepted, otherEnd))]),
    labelledLine('fix', `call ${howToClose}`),
  ].join('\n')
}

const nameOf = (leak: SocketLeak): string =>
  [endsOf(leak), leak.state, leak.fd !== undefined && `fd ${leak.fd}`].filter(Boolean).join(', ')

/** The first three, one a line. */
function aligned(lines: readonly string[]): string {
  const more = lines.length > MOST_NAMES ? [`and ${lines.length - MOST_NAMES} more`] : []
  return [...lines.slice(0, MOST_NAMES), ...more].join(`\n${' '.repeat(LABEL_WIDTH)}`)
}

const MOST_NAMES = 3

/** A client between two attempts, which has no socket. */
function describeClient(
  leak: SocketLeak,
  { failed, answer, due }: NonNullable<SocketLeak['redials']>,
  { number, named, framed }: ItemOptions,
): string {
  const where = leak.remote && formatTuple({ local: leak.remote })
  const next = due === undefined ? '' : `; next attempt in ${due} ms`
  return [
    `${number}. client${where === undefined ? '' : ` of ${where}`}, not connected`,
    ...(named ? [] : whose([leak])),
    labelledLine('connect at', number === 1 && framed ? sourceShownByRunner(leak.openedAt) : sourceOf(leak.openedAt)),
    labelledLine('attempts', `${failed} failed, last answer: ${answer}${next}`),
    labelledLine('fix', `call ${leak.howToClose}`),
  ].join('\n')
}

function listenerOf(
  { local, openedAt }: NonNullable<SocketLeak['acceptedBy']>,
  otherEnd: SocketLeak | undefined,
): string {
  const place = placeOf(openedAt)
  const listener = `by the listener on ${formatTuple({ local })}${place === undefined ? '' : `, ${place}`}`
  if (otherEnd === undefined) return listener
  const { state, fd } = otherEnd
  const details = [state, fd !== undefined && `fd ${fd}`].filter(Boolean).join(', ')
  return `${listener}; that end is open, too${details && ` (${details})`}`
}

/** The lines that name the tests or the file. */
function whose(group: Group): string[] {
  const [{ test, late, file }] = group
  const ended = late ? ', which had already ended' : ''
  const tests = [...new Set(group.flatMap((leak) => leak.test ?? []))]
  if (tests.length > 1) return [labelledLine('tests', aligned(tests.map((name) => `${escaped(name)}${ended}`)))]
  if (test !== undefined) return [labelledLine('test', `${escaped(test)}${ended}`)]
  return file === undefined ? [] : [labelledLine('test', `none (opened outside of a test, in ${shortened(file)})`)]
}

function endsOf({ local, remote }: SocketLeak): string | undefined {
  if (local === undefined || (local === '' && remote === undefined)) return undefined
  return formatTuple({ local, remote })
}

/** Accepted connections by their clients, where both ends leaked: one item reports both. */
function pairs(leaks: readonly SocketLeak[]): Map<SocketLeak, SocketLeak> {
  const accepted = new Map(leaks.filter(({ kind }) => kind === 'accepted').map((leak) => [mirrored(leak), leak]))
  return new Map(
    leaks.flatMap((leak) => {
      const other = leak.kind === 'client' && leak.remote !== undefined ? accepted.get(endsOf(leak)) : undefined
      return other === undefined ? [] : [[leak, other] as const]
    }),
  )
}

const mirrored = ({ local, remote }: SocketLeak): string | undefined =>
  remote === undefined ? undefined : formatTuple({ local: remote, remote: local })
