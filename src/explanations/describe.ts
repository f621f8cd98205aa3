import { describeValue } from '../message.js'
import { CODELESS, TIMEOUT } from './code-meaning.js'
import { Fields, isErrorLike } from './fields.js'
import { placeOf, type SocketFailure } from './socket-failure.js'

/** `connect to 127.0.0.1:3000: ECONNREFUSED`. */
export function describeFailure(failure: SocketFailure): string {
  const { syscall, code, hostname, message, port } = failure
  if (code === TIMEOUT) return 'a timeout of the client'
  if (code === CODELESS) return `an error without a code, ${JSON.stringify(message)}`
  const place = placeOf(failure) ?? (port ? `port ${port}` : hostname)
  const word = syscall === undefined || place === undefined ? syscall : (WORDS[syscall] ?? syscall)
  const what = [word, place].filter(Boolean).join(' ')
  return `${what}${what && ': '}${code}`
}

/** Describes a value without a code: `TypeError without a code: "fetch failed", because of "bad port"`. */
export function describeCodeless(error: unknown): string {
  if (!isErrorLike(error)) {
    const value = describeValue(error)
    return value.startsWith('a promise') ? value : `${value}, which is not an error`
  }
  const fields = new Fields(error)
  const inner = fields.get('cause')
  const because = isErrorLike(inner) ? `, because of ${JSON.stringify(new Fields(inner).text('message') ?? '')}` : ''
  return `${fields.text('name') ?? 'an error'} without a code: ${JSON.stringify(fields.text('message') ?? '')}${because}`
}

const WORDS: Readonly<Record<string, string>> = {
  connect: 'connect to',
  listen: 'listen on',
  bind: 'bind',
  getaddrinfo: 'look up',
}

/** The first four, and how many more there are. */
export const list = (items: string[]): string =>
  items.length > MOST ? `${items.slice(0, MOST).join('; ')}; and ${items.length - MOST} more` : items.join('; ')

const MOST = 4
