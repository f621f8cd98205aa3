import { describe, expect, test } from 'vitest'
import { check } from './check.js'
import { textsOf } from './texts.js'

const messages = (text: string, options?: { heading: boolean }) => check(text, 1, options).map(({ message }) => message)

describe('a sentence', () => {
  test.for([
    ['A snapshot that is none is refused.', "'is none'"],
    ['The waiter is told of it.', "'is told'"],
    ['It closes them all the same.', "'all the same'"],
    ['It says of what it is.', "'of what'"],
    ['It lets go of the port.', "'lets go of'"],
    ['The rest is heard out, for a second.', "'heard out'"],
    ['It reports whatever the kernel said.', "'whatever'"],
    ['It resolves when nobody listens.', "'nobody'"],
    ['It closes so that the test does not hang.', "'so that the test does not'"],
    ['It takes no port but that.', "'no port but'"],
    ['It mends the hook.', "'mends'"],
    ['The client dialled the port.', "'dialled'"],
    ['Who connects to it is refused.', "begins with 'Who'"],
    ['What the peer sent is lost.', "begins with 'What'"],
    [`It ${'closes and opens, '.repeat(10)}then stops.`, '33 words'],
    ['It closes the the server.', 'repeated'],
  ] as const)('fails: %s', ([text, part]) => {
    expect(messages(text)).toEqual([expect.stringContaining(part)])
  })

  test.for([
    'The server rejects new connections.',
    'Who has port 8080?',
    'It closes the socket so the test can end.',
    `It ${'closes, '.repeat(20)}and stops. portside ${'closes, '.repeat(20)}and stops.`,
    'Connections to it are refused until something listens.',
    `It ${'Code '.repeat(40)}closes.`,
  ])('passes: %s', (text) => expect(messages(text)).toEqual([]))

  test('may begin with a question word in a heading', () => {
    expect(messages('What it costs', { heading: true })).toEqual([])
    expect(messages('Closing it all the same', { heading: true })).toHaveLength(1)
  })
})

describe('the texts of a file', () => {
  const textOf = (file: string, source: string) => textsOf(file, source).map(({ line, text }) => [line, text])

  test('are paragraphs, headings and cells of Markdown, without code', () => {
    const source =
      '# A `port`\n\nOne\ntwo [three](four).\n\n```ts\nfive\n```\n\n| a | `b` |\n|---|---|\n| c | d `e` |\n'
    expect(textOf('page.md', source)).toEqual([
      [1, 'A Code'],
      [3, 'One\ntwo three.'],
      [10, 'a'],
      [10, 'Code'],
      [12, 'c'],
      [12, 'd Code'],
    ])
  })

  test('are comments, messages and titles of code', () => {
    const source = [
      '/**',
      ' * Holds a `port`.',
      ' * @throws EADDRINUSE if it is taken',
      ' */',
      'export const hold = () => {',
      '  // Linux keeps',
      '  // the port.',
      '  // biome-ignore lint: no prose',
      "  open('/dev/null', /a b/) // on Windows, too",
      ['  throw new Error(`Port $', '{1} is held by another process`)'].join(''),
      '}',
      "test('rejects when another process listens', () => {})",
      'const script = `',
      'f() {',
      '  wait for the next',
      '}`',
    ].join('\n')
    expect(textOf('hold.ts', source)).toEqual([
      [2, 'Holds a Code.'],
      [3, 'EADDRINUSE if it is taken'],
      [6, 'Linux keeps\nthe port.'],
      [9, 'on Windows, too'],
      [10, 'Port Code is held by another process'],
      [12, 'rejects when another process listens'],
    ])
  })

  test('are not programs, nor messages that an assertion compares', () => {
    const source = [
      'run(`',
      "  import net from 'node:net'",
      '  await once(net.connect(1), "connect and then close it")',
      '`)',
      "expect(error.message).toBe('you dialled one of the ports')",
      "expect(error).toMatchObject({ message: expect.stringContaining('you dialled one of the ports') })",
      "expect(lines).toEqual(linesOf(['you dialled one of the ports']))",
      "expect(explain('an error of this kind')).toBeUndefined()",
    ].join('\n')
    expect(textOf('run.test.ts', source)).toEqual([[8, 'an error of this kind']])
  })
})
