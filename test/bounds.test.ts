import { describe, expect, it } from 'vitest'
import { assertionError, assertionMessage } from '../src/assertions/assertion-error.js'
import { counted } from '../src/assertions/drained.js'
import { createUndoList } from '../src/disposal.js'
import { invalidArgument, type PortsideError, portsideError } from '../src/errors.js'
import { explainSocketError } from '../src/explanations/explain.js'
import { thrown } from '../src/explanations/thrown.js'
import { report } from '../src/leaks/report.js'
import type { SocketLeak } from '../src/leaks/socket-leak.js'
import { bounded, listOf } from '../src/message.js'
import { readOptions } from '../src/options.js'
import { HandlerErrors } from '../src/servers/handler.js'
import type { SocketOwner } from '../src/socket-table/owners.js'
import type { ConnectionOutcome } from '../src/sockets/connection-outcome.js'
import { drainError, hookError } from '../src/sockets/drain-report.js'

/** Three bytes a character in UTF-8, the most that one unit of a string takes. */
const HUGE = '€'.repeat(30_000)
const LIMIT = 64 * 1024

const many = <T>(item: (index: number) => T): T[] => Array.from({ length: 4000 }, (_, index) => item(index))
const end = (port: number) => ({ address: '127.0.0.1', port, family: 'IPv4' as const })

const outcome = (port: number): ConnectionOutcome => ({
  local: end(3000),
  remote: end(port),
  outcome: 'destroyed',
  state: 'active',
  age: 1,
  bytesRead: 1,
  bytesWritten: 1,
  pendingBytes: 1,
  request: `GET /${HUGE}`,
})
const drained = { outcomes: many(outcome), duration: 1, closed: 0, destroyed: 4000, reset: 0 }

const owner = (pid: number): SocketOwner => ({
  pid,
  program: HUGE,
  thisProcess: false,
  protocol: 'tcp',
  state: 'LISTEN',
  local: end(3000),
})

const leak = (index: number): SocketLeak => ({
  kind: 'client',
  local: `/${HUGE}`,
  openedAt: [{ function: HUGE, file: `/${HUGE}`, line: index, column: 1 }],
  test: `${index}${HUGE}`,
  request: HUGE,
  howToClose: HUGE,
})

const parts = ['headline', 'expected', 'actual', 'tried', 'because', 'owner', 'openedAt', 'next'] as const
const error = new Error(HUGE)

function caught(action: () => unknown): unknown {
  try {
    return action()
  } catch (error) {
    return error
  }
}

describe('no message is longer than 64 kB', () => {
  const all = Object.fromEntries(parts.map((part) => [part, HUGE])) as Record<(typeof parts)[number], string>
  const undos = createUndoList()
  undos.add(() => Promise.reject(error))
  undos.add(() => Promise.reject(error))
  const handlerErrors = new HandlerErrors()
  handlerErrors.fail(error, () => {})

  it.each<[string, () => unknown]>([
    ['an error with all lines', () => portsideError('ERR_X', all)],
    [
      'an error with as many lines as characters',
      () => portsideError('ERR_X', { headline: 'No', actual: '\n'.repeat(LIMIT) }),
    ],
    ['an invalid argument: a bigint', () => invalidArgument('ERR_INVALID_ARG_TYPE', 'port', 'a port', 10n ** 99_999n)],
    ['an invalid argument: a symbol', () => invalidArgument('ERR_INVALID_ARG_TYPE', 'port', 'a port', Symbol(HUGE))],
    [
      'an invalid argument: a function',
      () =>
        invalidArgument(
          'ERR_INVALID_ARG_TYPE',
          'port',
          'a port',
          Object.defineProperty(() => {}, 'name', { value: HUGE }),
        ),
    ],
    ['an unknown option', () => caught(() => readOptions({ [HUGE]: 1 }, { of: 'f()', names: ['port'] }))],
    ['a drain with stragglers', () => drainError('the server', drained, 1)],
    ['a drain whose hook failed', () => hookError('the server', [error], drained)],
    ['a handler that threw', () => caught(() => handlerErrors.rethrow('127.0.0.1:3000'))],
    ['a teardown that failed', () => undos.run().catch((error) => error)],
    [
      'an assertion',
      () => assertionError({ expected: HUGE, actual: HUGE, owners: many(owner), tried: [HUGE, `${HUGE}1`] }),
    ],
    [
      'a matcher',
      () => ({
        message: assertionMessage({
          expected: 'none',
          actual: counted(
            4000,
            many(() => HUGE),
          ),
        }),
      }),
    ],
    ['what the system answered', () => thrown(Object.assign(new Error(HUGE), { code: 'EX' }), `listen on ${HUGE}`)],
    ['leaks', () => ({ message: report(many(leak)) })],
    ['leaks of one test', () => ({ message: report(many(leak).map((each) => ({ ...each, test: HUGE }))) })],
  ])('%s', async (_, make) => {
    const error = (await make()) as PortsideError & { tried?: string }
    const { message } = error
    const texts = [message, ...parts.flatMap((part) => error[part] ?? [])]
    for (const text of texts) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(LIMIT)
    expect(message).not.toBe('')
  })

  it.each<[string, unknown]>([
    ['an error without a code', error],
    [
      'an error with the code of the kernel',
      Object.assign(new Error(HUGE), { code: 'ECONNREFUSED', address: HUGE, port: 1 }),
    ],
    ['many errors', new AggregateError(many((port) => Object.assign(new Error(HUGE), { code: 'ECONNREFUSED', port })))],
    ['a symbol', Symbol(HUGE)],
  ])('an explanation of %s', async (_, error) => {
    const { summary, cause, evidence, hints } = await explainSocketError(error)
    const whole = [summary, cause, ...evidence, ...hints].join('\n')
    expect(Buffer.byteLength(whole)).toBeLessThanOrEqual(LIMIT)
  })
})

describe('a long text', () => {
  it('has its beginning and its end, and says how much is missing', () => {
    const text = `first${'x'.repeat(10_000)}last`
    expect(bounded(text, 100)).toBe(`first${'x'.repeat(25)} [... 9949 characters ...] ${'x'.repeat(26)}last`)
    expect(bounded(text).length).toBeLessThanOrEqual(2500)
    expect(bounded(bounded(text))).toBe(bounded(text))
    expect(bounded('short')).toBe('short')
  })

  it('has a line for each of the first ten, and says how many more there are', () => {
    expect(listOf([1, 2], (item) => `- ${item}`)).toBe('- 1\n- 2')
    expect(
      listOf(many(String), (item) => item)
        .split('\n')
        .slice(8),
    ).toEqual(['8', '9', 'and 3990 more'])
  })
})
