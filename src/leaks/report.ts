import { relative, sep } from 'node:path'
import { styleText } from 'node:util'
import { bounded, escaped, labelledLine, listOf, MOST_ITEMS } from '../message.js'
import { formatTuple } from '../sockets/tuple.js'
import type { Alive } from './alive.js'
import { aliveReport } from './alive-report.js'
import { codeFrame } from './code-frame.js'
import type { SocketLeak } from './socket-leak.js'
import { userFrame } from './stack.js'
import type { StackFrame } from './stack-frame.js'

/**
 * What leaks are reported with: for people, without colours. The first ten are described, the others are counted by kind, place
 * and test.
 */
export function report(leaks: readonly SocketLeak[], alive: readonly Alive[] = []): string {
  if (leaks.length === 0) return `portside: ${aliveReport(alive)}`
  const otherEnds = pairs(leaks)
  const told = new Set(otherEnds.values())
  const listed = leaks.filter((leak) => !told.has(leak))
  const named = oneTest(leaks) !== undefined && !leaks.some(({ late }) => late)
  const items = listed
    .slice(0, MOST_ITEMS)
    .map((leak, index) => bounded(describe(leak, index + 1, otherEnds.get(leak), named), LONGEST_ITEM))
  const others = listed.slice(MOST_ITEMS).flatMap((leak) => [leak, otherEnds.get(leak) ?? []].flat())
  return [
    bounded(headline(leaks), LONGEST_ITEM),
    ...items,
    ...(others.length === 0 ? [] : [counts(others)]),
    ...(alive.length === 0 ? [] : [aliveReport(alive, 'also')]),
  ].join('\n\n')
}

/** In characters of up to 3 bytes: with the headline and the counts, ten of them stay below 64 kB. */
const LONGEST_ITEM = 1500

/** `and 30 more:`, and for each kind, place and test how many. */
function counts(leaks: readonly SocketLeak[]): string {
  const groups = new Map<string, number>()
  for (const { kind, openedAt, test } of leaks) {
    const where = placeOf(openedAt)
    const place = where === undefined ? '' : `, ${kind === 'accepted' ? 'dialled at' : 'opened at'} ${where}`
    const group = bounded(`${kind}${place}${test === undefined ? '' : `, by '${escaped(test)}'`}`, LONGEST_GROUP)
    groups.set(group, (groups.get(group) ?? 0) + 1)
  }
  const most = [...groups].sort(([, one], [, other]) => other - one)
  return `and ${leaks.length} more:\n${listOf(most, ([group, count]) => `  ${count} ${group}`)}`
}

const LONGEST_GROUP = 300

/** For `console.warn`: in colours where that is a terminal, and nobody has asked for none (https://no-color.org). */
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

/** Whether there are colours was asked before, and of another stream than the one that Node would ask. */
const styled = (format: 'bold' | 'red', line: string): string => styleText(format, line, { validateStream: false })

/** The line of a code frame, and the mark below it. */
const MARKED = /^ +> +\d+ \| |^ +\| +\^$/

function headline(leaks: readonly SocketLeak[]): string {
  const clients = leaks.filter(({ redials }) => redials !== undefined).length
  const sockets = leaks.length - clients
  const test = oneTest(leaks)
  const open = counted(sockets, 'socket')
  const redialling = clients === 1 ? '1 client that dials again' : `${clients} clients that dial again`
  if (test === undefined) {
    if (clients === 0) return `portside: ${open} left open.`
    return sockets === 0 ? `portside: ${redialling}.` : `portside: ${open} left open, and ${redialling}.`
  }
  const whose = `portside: '${escaped(test)}' left`
  if (clients === 0) return `${whose} ${open} open.`
  return sockets === 0 ? `${whose} ${redialling}.` : `${whose} ${open} open, and ${redialling}.`
}

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

/** The test that left all of it, where one did. */
function oneTest(leaks: readonly SocketLeak[]): string | undefined {
  const tests = new Set(leaks.map(({ test }) => test))
  return tests.size === 1 ? leaks[0]?.test : undefined
}

function describe(leak: SocketLeak, number: number, otherEnd: SocketLeak | undefined, named: boolean): string {
  const { kind, state, howToClose, openedAt, acceptedBy, request, redials } = leak
  if (redials !== undefined) return describeClient(leak, redials, number, named)
  const name = [kind, endsOf(leak), state, leak.fd !== undefined && `fd ${leak.fd}`].filter(Boolean).join(', ')
  const accepted = otherEnd?.acceptedBy ?? acceptedBy
  return [
    `${number}. ${name.replace(',', '')}`,
    ...(named ? [] : whose(leak)),
    ...(request === undefined ? [] : [labelledLine('request', `${request}, the last on this connection`)]),
    labelledLine(kind === 'accepted' ? 'dialled at' : 'opened at', sourceOf(openedAt)),
    ...(accepted === undefined ? [] : [labelledLine('accepted', listenerOf(accepted, otherEnd))]),
    labelledLine('fix', `call ${howToClose}`),
  ].join('\n')
}

/** A client between two attempts, which has no socket. */
function describeClient(
  leak: SocketLeak,
  { failed, answer, due }: NonNullable<SocketLeak['redials']>,
  number: number,
  named: boolean,
): string {
  const where = leak.remote && formatTuple({ local: leak.remote })
  const next = due === undefined ? '' : `; next attempt in ${due} ms`
  return [
    `${number}. client${where === undefined ? '' : ` of ${where}`}, not connected`,
    ...(named ? [] : whose(leak)),
    labelledLine('dialled at', sourceOf(leak.openedAt)),
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

/** The test, unless the headline has it. */
function whose({ test, late, file }: SocketLeak): string[] {
  if (test !== undefined) return [labelledLine('test', `${escaped(test)}${late ? ', which had ended by then' : ''}`)]
  return file === undefined ? [] : [labelledLine('test', `none: outside of a test, in ${shortened(file)}`)]
}

/** The user's place on a stack: `test/upload.test.ts:14:22`. */
export function placeOf(frames: readonly StackFrame[]): string | undefined {
  const place = userFrame(frames)
  return place && placeName(place)
}

function sourceOf(frames: readonly StackFrame[]): string {
  const place = userFrame(frames)
  if (place === undefined) return 'no code of yours was on the stack'
  const name = place.function === undefined ? '' : ` in ${place.function}`
  return [`${placeName(place)}${name}`, ...codeFrame(place).map((line) => `  ${line}`)].join('\n')
}

const placeName = ({ file, line, column }: StackFrame): string => `${shortened(file)}:${line}:${column}`

/** Below the working directory, as a test runner shows it; elsewhere as it is. */
function shortened(file: string): string {
  const path = relative(process.cwd(), file)
  return path.startsWith('..') || file.startsWith('node:') ? file : path.split(sep).join('/')
}

function endsOf({ local, remote }: SocketLeak): string | undefined {
  if (local === undefined || (local === '' && remote === undefined)) return undefined
  return formatTuple({ local, remote })
}

/** Accepted connections by their clients, where both ends leaked: one sentence tells of both. */
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
