import { readFileSync } from 'node:fs'
import { codeOf } from '../errors.js'
import { formatEndpoint } from '../loopback/endpoint.js'
import { nameOf } from '../loopback/endpoint-like.js'
import type { ReadyAnswer } from '../programs/condition.js'
import type { Endpoints } from '../programs/endpoints.js'
import { waitForListening, waitForRefused } from '../programs/wait.js'
import { waitForUrl } from '../programs/wait-for-answer.js'
import { describeOwner, findOwners, listenersOn } from '../socket-table/owners.js'
import { now } from '../timers.js'
import type { Command } from './command.js'
import { type Target, targetOf } from './target.js'
import { typedMessage } from './typed.js'
import { UsageError } from './usage-error.js'
import { DEFAULT_TIMEOUT, integerIn, millisecondsIn, patternIn, statusIn } from './values.js'

interface WaitOptions {
  readonly pid?: number
  readonly timeout?: number
  readonly status?: number
  readonly body?: RegExp
  readonly ca?: string
  readonly refused?: true
  readonly json?: true
  readonly quiet?: true
}

export const waitCommand: Command<WaitOptions> = {
  name: 'wait',
  summary: 'Wait until a URL answers, or a port, a unix socket or a process listens.',
  operands: {
    usage: 'TARGET',
    text: 'An http: or https: URL, PORT, ADDR:PORT, or a path of a unix socket that begins with / or ./. Omit it with --pid.',
    least: 0,
    most: 1,
  },
  options: [
    {
      flag: 'pid',
      value: 'N',
      text: 'Wait until this process, or one that it started, listens on a TCP port.',
      key: 'pid',
      read: (text = '') => integerIn(text, 1, 2 ** 31 - 1, 'the number of a process,'),
    },
    {
      flag: 'timeout',
      value: 'MS',
      text: 'The longest wait, in milliseconds.',
      default: String(DEFAULT_TIMEOUT),
      key: 'timeout',
      read: (text) => millisecondsIn(text),
    },
    {
      flag: 'status',
      value: 'N',
      text: 'The status with which the URL must answer.',
      default: '200 to 399',
      key: 'status',
      read: statusIn,
    },
    {
      flag: 'body',
      value: 'REGEX',
      text: 'A regular expression that the body of the answer must match.',
      default: 'any body',
      key: 'body',
      read: patternIn,
    },
    {
      flag: 'ca',
      value: 'FILE',
      text: 'A PEM file of certificates to trust for an https: URL.',
      default: 'those that Node trusts',
      key: 'ca',
      read: certificatesIn,
    },
    { flag: 'refused', text: 'Wait until TARGET refuses connections.', key: 'refused' },
    { flag: 'json', text: 'Print one JSON object.', default: 'a line', key: 'json' },
    { flag: 'quiet', text: 'Print nothing if the wait succeeds.', key: 'quiet' },
  ],
  examples: [
    'npx portside wait http://127.0.0.1:3000/health',
    'npm start & npx portside wait 3000 --timeout 20000 && npx playwright test',
    'npx portside wait --pid $! --json',
    'npx portside wait 127.0.0.1:5432 --refused',
  ],
  run: (options, operands) => wait(targetIn(options, operands), options),
}

function certificatesIn(file = ''): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`expected a file that can be read (${codeOf(error)})`)
  }
}

/** Throws UsageError if the options do not fit the target. */
function targetIn(options: WaitOptions, [text]: readonly string[]): Target {
  const { pid, refused } = options
  if (pid !== undefined && text !== undefined) throw new UsageError(`give either --pid or TARGET, got both`)
  if (pid === undefined && text === undefined) throw new UsageError('missing argument TARGET, or --pid N')
  const target: Target = pid === undefined ? targetOf(text as string) : { kind: 'process', pid }
  if (refused && target.kind === 'process')
    throw new UsageError('--refused needs a TARGET: a process does not refuse connections')
  for (const name of ['status', 'body', 'ca'] as const) {
    if (options[name] === undefined) continue
    if (target.kind !== 'url') throw new UsageError(`--${name} needs an http: or https: URL as TARGET`)
    if (refused) throw new UsageError(`give either --${name} or --refused, got both`)
    if (name === 'ca' && target.url.protocol === 'http:') throw new UsageError('--ca needs an https: URL as TARGET')
  }
  return target
}

/** The result of a successful wait. */
interface Outcome {
  /** A sentence without its end: `127.0.0.1:3000 accepts connections`. */
  readonly said: string
  readonly fields: object
}

/** Prints the result. Returns the exit code: 1 if the wait timed out. Throws if the system does not answer. */
async function wait(target: Target, options: WaitOptions): Promise<number> {
  const { json, quiet, timeout = DEFAULT_TIMEOUT } = options
  const begun = now()
  const elapsed = (): number => Math.round(now() - begun)
  const print = (fields: object): void => void process.stdout.write(`${JSON.stringify(fields)}\n`)
  try {
    const { said, fields } = await outcomeOf(target, { ...options, timeout })
    if (json) print({ ok: true, elapsed: elapsed(), ...fields })
    else if (!quiet) process.stdout.write(`${said} after ${elapsed()} ms.\n`)
    return 0
  } catch (error) {
    if (!NOT_IN_TIME.has(codeOf(error))) throw error
    const message = typedMessage(error, { owner: await ownerAt(target) })
    const { lastAnswer } = error as { lastAnswer?: ReadyAnswer }
    if (json) print({ ok: false, elapsed: elapsed(), code: codeOf(error), message, lastAnswer: plain(lastAnswer) })
    process.stderr.write(`portside wait: ${message}\n`)
    return 1
  }
}

/** Any other error means that the system does not answer. */
const NOT_IN_TIME: ReadonlySet<string | undefined> = new Set([
  'ERR_PORTSIDE_NOT_READY',
  'ERR_PORTSIDE_WAIT_TIMEOUT',
  'ERR_PORTSIDE_CHILD_EXITED',
])

async function outcomeOf(target: Target, options: WaitOptions & { timeout: number }): Promise<Outcome> {
  const { timeout, refused } = options
  if (target.kind === 'url' && !refused) return answerOf(target.url, options)
  if (target.kind === 'process') {
    const endpoints = await waitForListening({ pid: target.pid }, { timeout })
    return { said: `Process ${target.pid} listens on ${listed(endpoints)}`, fields: { endpoints: [...endpoints] } }
  }
  const place = target.kind === 'url' ? target.url : target.kind === 'place' ? target.place : { path: target.path }
  if (refused) {
    await waitForRefused(place, { timeout })
    return { said: `${nameOf(place)} refuses connections`, fields: {} }
  }
  const found = await waitForListening(place, { timeout })
  if (typeof found === 'string') return { said: `${found} accepts connections`, fields: { path: found } }
  const accept = found.length === 1 ? 'accepts' : 'accept'
  return { said: `${listed(found)} ${accept} connections`, fields: { endpoints: [...found] } }
}

async function answerOf(url: URL, { timeout, status, body, ca }: WaitOptions & { timeout: number }): Promise<Outcome> {
  const wanted = { ...(status === undefined ? {} : { status }), ...(body === undefined ? {} : { body }) }
  const answer = await waitForUrl(url, wanted, ca === undefined ? {} : { ca }, { timeout })
  return { said: `${url.href} answers with status ${answer.status}`, fields: { status: answer.status } }
}

const listed = (endpoints: Endpoints): string => endpoints.map(formatEndpoint).join(' and ')

const plain = (answer: ReadyAnswer | undefined): object | undefined =>
  answer && { ...answer, error: answer.error?.message }

/** The process that has the port, if the system reports it. It may be another process than the expected one. */
async function ownerAt(target: Target): Promise<string | undefined> {
  if (target.kind === 'process') return undefined
  try {
    const place = target.kind === 'url' ? target.url : target.kind === 'place' ? target.place : { path: target.path }
    const owners = await findOwners(place).catch(() => [])
    const port = typeof place === 'number' ? place : 'port' in place ? Number(place.port) : 0
    const listener = owners.find(({ state }) => state === 'LISTEN') ?? (port > 0 ? listenersOn(port)[0] : undefined)
    return listener && describeOwner(listener)
  } catch {
    // The system has no table of sockets.
    return undefined
  }
}
