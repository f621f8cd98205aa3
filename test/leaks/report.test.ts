import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { transformSync } from 'esbuild'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { fileOf } from '../../src/caller.js'
import type { SocketLeak } from '../../src/index.js'
import { codeFrame } from '../../src/leaks/code-frame.js'
import { printable, printReport, report } from '../../src/leaks/report.js'
import { framesOf, linesOf, userFrame } from '../../src/leaks/stack.js'
import { isWanted } from '../../src/leaks/trace.js'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const end = (port: number) => ({ address: '127.0.0.1', port, family: 'IPv4' as const })

describe('a report', () => {
  const folder = temporary()
  const file = join(folder, 'upload.test.js')
  writeFileSync(file, 'import net from "node:net"\n\tconst socket = net.connect(port)\nsocket.write("x")\n')
  const client: SocketLeak = {
    kind: 'client',
    local: end(40_000),
    remote: end(3000),
    fd: 20,
    state: 'ESTABLISHED',
    openedAt: [
      { function: 'Pool.open', file: '/project/node_modules/pool/index.js', line: 7, column: 3 },
      { function: 'upload', file, line: 2, column: 21 },
    ],
    test: 'uploads a build',
    file,
    howToClose: 'socket.destroy()',
  }
  const accepted: SocketLeak = {
    ...client,
    kind: 'accepted',
    local: end(3000),
    remote: end(40_000),
    fd: 21,
    acceptedBy: { local: end(3000), openedAt: [{ file, line: 1, column: 1 }] },
    howToClose: 'socket.destroy(), or close its client',
  }

  test('has the ends, the state, the source line, and the call that closes the socket', () => {
    expect(report([client])).toBe(
      [
        "portside: 'uploads a build' left 1 socket open.",
        '',
        '1. client 127.0.0.1:40000 -> 127.0.0.1:3000, ESTABLISHED, fd 20',
        `  opened at  ${file}:2:21 in upload`,
        '      1 | import net from "node:net"',
        '    > 2 | \tconst socket = net.connect(port)',
        '        | \t                   ^',
        '      3 | socket.write("x")',
        '  fix        call socket.destroy()',
      ].join('\n'),
    )
  })

  test('reports both ends of one connection as one item', () => {
    const text = report([client, accepted])
    expect(text).toContain("'uploads a build' left 2 sockets open.")
    expect(text).toContain(
      `\n  accepted   by the listener on 127.0.0.1:3000, ${file}:1:1; that end is open, too (ESTABLISHED, fd 21)\n`,
    )
    expect(text).not.toContain('2. ')
  })

  test('says which line opened the client of an accepted connection, and which listener accepted it', () => {
    const text = report([accepted])
    expect(text).toContain('1. accepted 127.0.0.1:3000 -> 127.0.0.1:40000, ESTABLISHED, fd 21\n')
    expect(text).toContain(`\n  connect at ${file}:2:21 in upload\n`)
    expect(text).toContain(`\n  accepted   by the listener on 127.0.0.1:3000, ${file}:1:1\n`)
    expect(text).toMatch(/\n {2}fix {8}call socket\.destroy\(\), or close its client$/)
  })

  test('names the tests if there are several, and the file if there is no test', () => {
    const text = report([client, { ...client, test: 'another' }, { ...client, test: undefined }])
    expect(text).toContain('portside: 3 sockets left open.')
    expect(text).toContain('\n  tests      uploads a build\n             another\n')
    expect(text).toContain(`\n  test       none (opened outside of a test, in ${file})\n`)
  })

  test('has one item for sockets that one line opened in ten tests', () => {
    const leaks = Array.from({ length: 10 }, (_, index) => ({
      ...client,
      local: end(index + 1),
      test: `test ${index}`,
    }))
    expect(report(leaks)).toBe(
      [
        'portside: 10 sockets left open.',
        '',
        '1. client (10 sockets)',
        '  sockets    127.0.0.1:1 -> 127.0.0.1:3000, ESTABLISHED, fd 20',
        '             127.0.0.1:2 -> 127.0.0.1:3000, ESTABLISHED, fd 20',
        '             127.0.0.1:3 -> 127.0.0.1:3000, ESTABLISHED, fd 20',
        '             and 7 more',
        '  tests      test 0',
        '             test 1',
        '             test 2',
        '             and 7 more',
        `  opened at  ${file}:2:21 in upload`,
        '      1 | import net from "node:net"',
        '    > 2 | \tconst socket = net.connect(port)',
        '        | \t                   ^',
        '      3 | socket.write("x")',
        '  fix        call socket.destroy()',
      ].join('\n'),
    )
  })

  test('leaves out the source line of the first item if the runner shows it', () => {
    const other: SocketLeak = { ...client, kind: 'udp', remote: undefined }
    const text = report([client, other], { framed: true })
    expect(text.match(/> 2 \|/g)).toHaveLength(1)
    expect(text).toContain(`  opened at  ${file}:2:21 in upload\n  fix `)
    const ofPackage = [{ file: '/project/node_modules/pool/index.js', line: 7, column: 3 }]
    expect(report([{ ...client, openedAt: ofPackage }], { framed: true })).toContain('pool/index.js:7:3')
  })

  test('says that the test had already ended', () => {
    expect(report([{ ...client, late: true }])).toContain('\n  test       uploads a build, which had already ended\n')
  })

  test('has the last request on a pooled connection, and says if no place is known', () => {
    const text = report([{ ...client, request: 'GET /large', openedAt: [] }])
    expect(text).toContain('\n  request    GET /large, the last on this connection\n')
    expect(text).toContain('\n  opened at  no code of yours was on the stack\n')
  })

  test('names the package nearest to the user if no code of the user was on the stack', () => {
    const openedAt = [
      { function: 'Connection.connect', file: '/project/node_modules/pg/lib/connection.js', line: 49, column: 20 },
      { function: 'create', file: '/project/node_modules/knex/lib/client.js', line: 262, column: 28 },
    ]
    expect(report([{ ...client, openedAt, howToClose: 'knex.destroy()' }])).toBe(
      [
        "portside: 'uploads a build' left 1 socket open.",
        '',
        '1. client 127.0.0.1:40000 -> 127.0.0.1:3000, ESTABLISHED, fd 20',
        '  opened at  /project/node_modules/knex/lib/client.js:262:28 by knex; your code was not on the stack (PORTSIDE_TRACE=on finds its line)',
        '  fix        call knex.destroy()',
      ].join('\n'),
    )
  })

  test('describes the first ten of 4000 lines, and counts the others by kind, place and test', () => {
    const at = (index: number) => [{ file, line: (index % 20) + 1, column: 1 }]
    const leaks = Array.from({ length: 2000 }, (_, index) => {
      const test = index % 20 < 15 ? 'uploads' : 'downloads'
      return [
        { ...client, local: end(index + 1), test, openedAt: at(index) },
        { ...accepted, remote: end(index + 1), test, openedAt: at(index) },
      ]
    }).flat()
    const text = report([...leaks, { kind: 'untracked', openedAt: [], howToClose: 'close()' }])
    expect(text).toContain('portside: 4001 sockets left open.\n')
    expect(text.match(/^\d+\. /gm)).toHaveLength(10)
    expect(text.slice(text.indexOf('\n\nand ')).split('\n').slice(0, 4)).toEqual([
      '',
      '',
      'and 2001 more:',
      `  100 client, opened at ${file}:11:1, by 'uploads'`,
    ])
  })

  test('has at most ten counts', () => {
    const leaks = Array.from({ length: 100 }, (_, line) => ({ ...client, openedAt: [{ file, line, column: 1 }] }))
    expect(report(leaks)).toMatch(/\n {2}1 client, [^\n]*\nand 80 more$/)
  })

  test('leaves out unknown parts', () => {
    const { howToClose } = client
    expect(report([{ kind: 'unix', local: '', openedAt: [], howToClose }])).toMatch(/^1\. unix\n/m)
  })
})

test('a report is printed even if a test has replaced console.warn by a function that throws', () => {
  const spy = vi.spyOn(console, 'warn').mockImplementation(() => {
    throw new Error('replaced')
  })
  expect(() => printReport('portside: nothing.')).not.toThrow()
  expect(spy).toHaveBeenCalledOnce()
  spy.mockRestore()
})

describe('the printed report', () => {
  const text = 'head\n\n1. client\n  opened at  a.js:1:1\n    > 1 | open()\n      | ^\n      2 | more()'

  test('has colours only on a terminal, and not with NO_COLOR', () => {
    expect(printable(text, { isTTY: false }, {})).toBe(text)
    expect(printable(text, {}, {})).toBe(text)
    expect(printable(text, { isTTY: true }, { NO_COLOR: '1' })).toBe(text)
    const coloured = printable(text, { isTTY: true }, {}).split('\n')
    expect(coloured.map((line) => line.startsWith('\x1b['))).toEqual([true, false, false, false, true, true, false])
    expect(stripVTControlCharacters(coloured.join('\n'))).toBe(text)
  })
})

describe('a code frame', () => {
  test('has the lines around the line, and is empty for a file that cannot be read', () => {
    const file = join(temporary(), 'short.js')
    writeFileSync(file, 'only()')
    expect(codeFrame({ file, line: 1, column: 1 })).toEqual(['> 1 | only()', '    | ^'])
    expect(codeFrame({ file, line: 9, column: 1 })).toEqual([])
    expect(codeFrame({ file: join(file, 'none'), line: 1, column: 1 })).toEqual([])
  })
})

test('a code frame shows a part of a long line of a bundler', () => {
  const file = join(temporary(), 'bundle.js')
  writeFileSync(file, `first()\n${'x'.repeat(5000)}open()${'y'.repeat(5000)}`)
  const [first, line, mark] = codeFrame({ file, line: 2, column: 5001 })
  expect(first).toBe('  1 |')
  expect(line).toBe(`> 2 | ${'x'.repeat(79)}open()${'y'.repeat(75)}`)
  expect(mark?.indexOf('^')).toBe(line?.indexOf('open()'))
})

describe('frames', () => {
  test('leave out Node, portside and the runner, and parse every form of V8', () => {
    const stack = [
      'Error',
      `    at listenTcp (${join(import.meta.dirname, '../../src/servers/tcp.ts')}:1:1)`,
      '    at Server.listen (node:net:2016:32)',
      '    at new Pool (/project/src/pool.js:10:5)',
      '    at Pool.open [as connect] (/project/src/pool.js:11:5)',
      '    at Object.<anonymous> (/project/src/a b/(x).js:12:5)',
      '    at async file:///project/src/main.js:13:5',
      '    at async Promise.all (index 0)',
      '    at /project/node_modules/vitest/dist/chunk.js:14:5',
      '    at /project/node_modules/.pnpm/jest-circus@30/node_modules/jest-circus/build/run.js:15:5',
      '    at /project/node_modules/jest-dev-server/index.js:16:5',
    ].filter((line) => isWanted(fileOf(line) ?? 'node:'))
    expect(framesOf(stack).map(({ function: name, file, line }) => [name, file, line])).toEqual([
      ['Pool', '/project/src/pool.js', 10],
      ['Pool.open', '/project/src/pool.js', 11],
      [undefined, '/project/src/a b/(x).js', 12],
      [undefined, '/project/src/main.js', 13],
      [undefined, '/project/node_modules/jest-dev-server/index.js', 16],
    ])
    expect(linesOf(stack)).toHaveLength(5)
    expect(userFrame(framesOf(stack.filter((line) => !line.includes('src'))))?.line).toBe(16)
  })

  test('are empty without a trace', () => {
    expect(framesOf(undefined)).toEqual([])
  })

  test.each(['inline', 'external'] as const)('lead through a source map that is %s', (kind) => {
    const folder = temporary()
    mkdirSync(join(folder, 'dist'))
    const source = 'interface Unused {}\n\nexport function open(): never {\n  throw new Error("here")\n}\n'
    writeFileSync(join(folder, 'open.ts'), source)
    const { code, map } = transformSync(source, { loader: 'ts', sourcemap: kind, sourcefile: '../open.ts' })
    const file = join(folder, 'dist/open.js')
    writeFileSync(file, kind === 'inline' ? code : `${code}//# sourceMappingURL=open.js.map\n`)
    writeFileSync(`${file}.map`, map)
    const line = code.split('\n').findIndex((text) => text.includes('throw')) + 1
    expect(framesOf([`    at open (${file}:${line}:9)`])).toMatchObject([
      { function: 'open', file: join(folder, 'open.ts'), line: 4 },
    ])
  })

  test.each([
    ['stay in the package, although its source map names sources outside', '../../src/driver.ts', 'driver.js'],
    ['stay where they are if the package was published without its sources', 'src/driver.ts', 'driver.js'],
    ['lead to the sources of the package', 'driver.ts', 'driver.ts'],
  ])('of a package %s', (_name, sourcefile, found) => {
    const folder = join(temporary(), 'node_modules/typeorm')
    mkdirSync(folder, { recursive: true })
    const { code, map } = transformSync('open()', { sourcemap: 'external', sourcefile })
    const file = join(folder, 'driver.js')
    writeFileSync(file, `${code}//# sourceMappingURL=driver.js.map\n`)
    writeFileSync(`${file}.map`, map)
    writeFileSync(join(folder, 'driver.ts'), 'open()')
    expect(framesOf([`    at open (${file}:1:1)`])).toMatchObject([{ file: join(folder, found), line: 1 }])
  })

  test('of a package stay in it, although the runner maps its stacks to such sources', () => {
    const prepare = Error.prepareStackTrace
    onTestFinished(() => {
      Error.prepareStackTrace = prepare
    })
    Error.prepareStackTrace = () => 'Error\n    at open (/project/src/driver.ts:7:1)'
    const line = '    at open (/project/node_modules/typeorm/driver.js:1:1)'
    expect(linesOf([line])).toEqual([line])
    expect(linesOf(['    at open (/project/dist/driver.js:1:1)'])).toEqual(['    at open (/project/src/driver.ts:7:1)'])
  })

  test.each([
    ['    at open (/project/a.js:1:1)', '    at open (/project/a.ts:7:3)'],
    ['    at async open (/project/a.js:1:1)', '    at async open (/project/a.ts:7:3)'],
    ['    at /project/a.js:1:1', '    at /project/a.ts:7:3'],
    ['    at async /project/a.js:1:1', '    at async /project/a.ts:7:3'],
    ['    at async file:///project/a.js:1:1', '    at async /project/a.ts:7:3'],
    ['    at new Pool (/project/a.js:1:1)', '    at new Pool (/project/a.ts:7:3)'],
  ])('keep the name of their function: %s', (line, expected) => {
    const prepare = Error.prepareStackTrace
    onTestFinished(() => {
      Error.prepareStackTrace = prepare
    })
    Error.prepareStackTrace = (_error, [site]) => {
      expect(site?.getFileName()).toMatch(/^(?:file:\/\/)?\/project\/a\.js$/)
      // Like that of Jest: https://github.com/evanw/node-source-map-support
      return 'Error\n    at whatItCalls (/project/a.ts:7:3)'
    }
    expect(linesOf([line])).toEqual([expected])
  })

  test('stay where they are if their map is invalid or missing', () => {
    const file = join(temporary(), 'broken.js')
    for (const url of ['gone.js.map', 'data:application/json;base64,e30', 'data:application/json;base64,%']) {
      writeFileSync(file, `x()\n//# sourceMappingURL=${url}\n`)
      expect(framesOf([`    at open (${file}:1:1)`])).toMatchObject([{ file, line: 1, column: 1 }])
    }
  })
})

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'portside-report-'))
  folders.push(folder)
  return folder
}
