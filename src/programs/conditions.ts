import type { Endpoint } from '../loopback/endpoint.js'
import { describeType } from '../message.js'
import { onAbort } from '../signals.js'
import { thrownText } from '../thrown-text.js'
import { httpCondition, type Trust } from './ask-http.js'
import { tcpCondition } from './ask-tcp.js'
import { type Condition, type ReadyAnswer, repeatable, toError } from './condition.js'
import type { Output } from './output.js'
import { isRegExp, type Ready } from './ready.js'

/** `output` exists only for a program that portside started. */
export interface ReadyContext {
  readonly output?: Output | undefined
  readonly trust: Trust
}

/** The conditions of a wait, without 'listening', which every wait includes. */
export function conditionsOf(ready: readonly Ready[], { output, trust }: ReadyContext): Condition[] {
  return ready.flatMap((one): Condition[] => {
    if (one === 'listening') return []
    if (typeof one === 'function') return [functionCondition(one)]
    if (isRegExp(one)) return [outputCondition(one, output)]
    if ('output' in one) return [outputCondition(one.output, output)]
    return ['http' in one ? httpCondition(one, trust) : tcpCondition(one)]
  })
}

function outputCondition(given: RegExp, output: Output | undefined): Condition {
  const pattern = repeatable(given)
  let seen = false
  const forget = output?.onLine((line) => {
    seen ||= pattern.test(line)
  })
  return {
    expected: `a line of its output that matches ${given}`,
    ask: async () => (seen ? undefined : {}),
    ...(forget === undefined ? {} : { forget }),
  }
}

function functionCondition(given: (endpoint: Endpoint) => unknown): Condition {
  const name = calledAs(given)
  let running: Promise<ReadyAnswer | undefined> | undefined
  let thrown: Error | undefined
  const call = async (endpoint: Endpoint): Promise<ReadyAnswer | undefined> => {
    try {
      const verdict: unknown = await given(endpoint)
      return verdict === true ? undefined : { error: new Error(`${name} returned ${describeType(verdict)}`) }
    } catch (error) {
      thrown = toError(error)
      return { error: thrown }
    } finally {
      running = undefined
    }
  }
  return {
    expected: `${name} to resolve to true`,
    // One call at a time: a call that hangs is not repeated.
    ask: (endpoint, signal) => {
      running ??= call(endpoint)
      return unlessCut(running, signal, { error: new Error(`${name} has not settled`) })
    },
    describe: ({ error }) => (error === thrown ? `${name} threw: ${thrownText(error)}` : thrownText(error)),
  }
}

function calledAs(given: { readonly name: string }): string {
  try {
    if (given.name !== '') return `${given.name}()`
  } catch {
    // A proxy that throws.
  }
  return 'the ready function'
}

async function unlessCut<T>(work: Promise<T>, signal: AbortSignal, otherwise: T): Promise<T> {
  let forget = (): void => {}
  const cut = new Promise<T>((resolve) => {
    forget = onAbort(signal, () => resolve(otherwise))
    if (signal.aborted) resolve(otherwise)
  })
  try {
    return await Promise.race([work, cut])
  } finally {
    forget()
  }
}
