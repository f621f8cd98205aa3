import { describe, expect, it } from 'vitest'
import { rustFailure } from '../../src/explanations/rust-errors.js'
import { explainSocketError } from '../../src/index.js'
import { codeOfOsError } from '../../src/platform/errno.js'

// Errors as Deno 2.9.6 makes them on Linux.

const ofFetch = (message: string): Error => new TypeError('fetch failed', { cause: new Error(message) })
const ofDeno = (name: string, code: string, message: string): Error =>
  Object.defineProperties(new Error(message), { name: { value: name }, code: { value: code } })

const URL_SENT = 'error sending request for url (http://127.0.0.1:46367/): client error (Connect)'

describe.skipIf(process.platform !== 'linux')('errors of Rust', () => {
  it('reads a refused connect of fetch, with its address', async () => {
    const refused = `${URL_SENT}: tcp connect error: Connection refused (os error 111)`
    expect(rustFailure(refused)).toEqual({
      code: 'ECONNREFUSED',
      syscall: 'connect',
      address: '127.0.0.1',
      port: 46367,
    })
    expect(await explainSocketError(ofFetch(refused))).toMatchObject({ kind: 'refused', raisedBy: 'kernel' })
  })

  it('reads a reset of an answer, with the address that fetch connected to', async () => {
    const reset =
      'error sending request from 127.0.0.1:42074 for http://localhost:33357/ (127.0.0.1:33357): client error (SendRequest): ' +
      'connection error: Connection reset by peer (os error 104)'
    expect(rustFailure(reset)).toEqual({ code: 'ECONNRESET', syscall: undefined, address: '127.0.0.1', port: 33357 })
    expect((await explainSocketError(ofFetch(reset))).kind).toBe('reset')
  })

  it('reads a name that does not resolve', async () => {
    const unknown =
      'error sending request for url (http://nothing.invalid:80/): client error (Connect): dns error: ' +
      'failed to lookup address information: Name or service not known'
    expect(rustFailure(unknown)).toEqual({ code: 'ENOTFOUND', syscall: 'getaddrinfo', hostname: 'nothing.invalid' })
    expect((await explainSocketError(ofFetch(unknown))).kind).toBe('unresolved')
  })

  it.each([
    ['ConnectionRefused', 'ECONNREFUSED', 'Connection refused (os error 111)', 'refused'],
    ['ConnectionReset', 'ECONNRESET', 'Connection reset by peer (os error 104)', 'reset'],
    ['AddrInUse', 'EADDRINUSE', 'Address already in use (os error 98)', 'conflict'],
    ['TimedOut', 'ETIMEDOUT', 'Connection timed out (os error 110)', 'timed-out'],
  ])('explains Deno.errors.%s, which the kernel raised', async (name, code, message, kind) => {
    expect(await explainSocketError(ofDeno(name, code, message))).toMatchObject({ kind, raisedBy: 'kernel' })
  })

  it('reads an IPv6 address, and a URL without a port', () => {
    const refused =
      'error sending request for url (https://[::1]/): tcp connect error: Connection refused (os error 111)'
    expect(rustFailure(refused)).toMatchObject({ address: '::1', port: 443 })
  })

  it('finds no failure in other messages', () => {
    expect(rustFailure('connection closed before message completed')).toBeUndefined()
    expect(rustFailure('odd (os error 99999)')).toBeUndefined()
  })
})

it('knows the numbers of Winsock on Windows', () => {
  expect([10048, 10054, 10061, 1].map((number) => codeOfOsError(number, 'win32'))).toEqual([
    'EADDRINUSE',
    'ECONNRESET',
    'ECONNREFUSED',
    undefined,
  ])
})
