import { describe, expect, it } from 'vitest'
import { abortError, codeOf, invalidArgument, portsideError } from '../src/errors.js'

describe('an error of portside', () => {
  it('is a sentence with a labelled line and a field for each fact', () => {
    const details = { headline: 'Cannot listen', expected: 'a', actual: 'b', because: 'c', next: 'd' }
    const error = portsideError('ERR_X', details)
    expect(error.message).toBe('Cannot listen.\n  expected   a\n  got        b\n  cause      c\n  fix        d')
    expect(error).toMatchObject({ code: 'ERR_X', ...details })
  })

  it('omits unknown facts', () => {
    const error = portsideError('ERR_X', { headline: 'Cannot listen', because: undefined })
    expect(error.message).toBe('Cannot listen.')
    expect(error).not.toHaveProperty('because')
    expect(error).not.toHaveProperty('cause')
  })

  it('keeps the inner indentation of a text with several lines', () => {
    const { message } = portsideError('ERR_X', { headline: 'No', actual: 'a diff\n- id\n  - name\n  + name' })
    expect(message).toBe('No.\n  got        a diff\n  - id\n    - name\n    + name')
  })

  it('has no control character', () => {
    const { message } = portsideError('ERR_X', { headline: 'Cannot start \x1b[31ma', actual: 'a\r\n\tb\x9b' })
    expect(message).toBe('Cannot start \\u001b[31ma.\n  got        a\\r\n  \tb\\u009b')
  })

  it("keeps the system's fields of its cause", () => {
    const cause = Object.assign(new Error('listen EADDRINUSE'), {
      errno: -98,
      syscall: 'listen',
      address: '::1',
      port: 1,
      code: 'EADDRINUSE',
    })
    const error = portsideError('EADDRINUSE', { headline: 'Cannot listen', cause })
    expect(error).toMatchObject({ code: 'EADDRINUSE', errno: -98, syscall: 'listen', address: '::1', port: 1, cause })
  })

  it('begins its stack where it was created', () => {
    expect(portsideError('ERR_X', { headline: 'x' }).stack?.split('\n')[1]).toContain('errors.test.ts')
  })

  it.each([
    [1.5, 'got 1.5'],
    ['80', "got '80'"],
    [null, 'got null'],
    [{}, 'got an object'],
    [Object.create(null), 'got an object'],
    [() => {}, 'got a function'],
    [Symbol('x'), 'got the symbol Symbol(x)'],
    [10n, 'got 10'],
  ])('shows the invalid argument %o', (value, text) => {
    expect(invalidArgument('ERR_OUT_OF_RANGE', 'port', 'a port', value).message).toContain(text)
  })

  it('of an aborted signal carries its reason', () => {
    const reason = new Error('enough')
    const error = abortError(AbortSignal.abort(reason), 'listen')
    expect(error).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: reason })
  })
})

describe('codeOf', () => {
  it.each([undefined, null, 'text', 5, {}, { code: 5 }, new Error('x')])('finds none in %o', (value) => {
    expect(codeOf(value)).toBeUndefined()
  })

  it('finds the code of anything that has one', () => {
    expect(codeOf({ code: 'EPIPE' })).toBe('EPIPE')
  })
})
