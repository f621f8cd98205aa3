import { describe, expect, test } from 'vitest'
import { circlesIn, layerViolations } from './layers.js'

describe('an arrow that keeps the layers', () => {
  test.each([
    ['down one layer', 'sockets/pool.ts', `import { probe } from '../loopback/probe.js'`],
    ['down many layers', 'cli/main.ts', `import { portsideError } from '../errors.js'`],
    ['within a folder', 'sockets/pool.ts', `import { drain } from './drain.js'`],
    ['between the files of the lowest layer', 'disposal.ts', `import { portsideError } from './errors.js'`],
    ['from endpoints to servers', 'endpoints/stalled.ts', `import { listenTcp } from '../servers/tcp.js'`],
    ['from endpoints to ports', 'endpoints/refused.ts', `import { reservePort } from '../ports/reserve-port.js'`],
    ['from the index to the top', 'index.ts', `export { main } from './cli/main.js'`],
    ['to a package or a built-in', 'errors.ts', `import net from 'node:net'; import x from 'scope'`],
    ['in a comment', 'errors.ts', `// import { createScope } from './scope.js'`],
    ['in a string', 'errors.ts', `const text = "import './scope.js'"`],
  ])('passes: %s', (_, file, text) => {
    expect(layerViolations({ [file]: text })).toEqual([])
  })
})

describe('an arrow that breaks the layers', () => {
  test.each([
    ['up one layer', 'loopback/probe.ts', `import { pool } from '../sockets/pool.js'`, 'loopback is below sockets'],
    ['up, for a type', 'errors.ts', `import type { NetScope } from './scope.js'`, 'errors.ts is below scope.ts'],
    ['up, in a type', 'errors.ts', `type S = import('./scope.js').NetScope`, 'errors.ts is below scope.ts'],
    ['up, dynamic', 'servers/tls.ts', `const s = await import('../scope.js')`, 'servers is below scope.ts'],
    ['up, required', 'servers/tls.ts', `const s = require('../scope.js')`, 'servers is below scope.ts'],
    ['up, re-exported', 'servers/tls.ts', `export * from '../scope.js'`, 'servers is below scope.ts'],
    ['up, for its effect', 'servers/tls.ts', `import '../scope.js'`, 'servers is below scope.ts'],
    ['to the index', 'cli/main.ts', `import { listenTcp } from '../index.js'`, 'cli is below index.ts'],
    [
      'sideways',
      'ports/lock.ts',
      `import { listenTcp } from '../servers/tcp.js'`,
      'ports and servers are of one layer',
    ],
    ['sideways at the top', 'cli/main.ts', `import x from '../runners/jest.js'`, 'cli and runners are of one layer'],
    ['sideways, file to folder', 'scope.ts', `import x from './namespaces/support.js'`, 'are of one layer'],
    [
      'up from servers to endpoints',
      'servers/tcp.ts',
      `import x from '../endpoints/refused.js'`,
      'servers is below endpoints',
    ],
    ['out of src', 'servers/tcp.ts', `import x from '../../test/support/layers.js'`, 'outside src/'],
    ['to a folder without a layer', 'servers/tcp.ts', `import x from '../helpers/misc.js'`, 'helpers has no layer'],
  ])('fails: %s', (_, file, text, why) => {
    expect(layerViolations({ [file]: text })).toEqual([expect.stringContaining(why)])
  })

  test('is named with its file and line', () => {
    const text = `import net from 'node:net'\n\nimport { pool } from '../sockets/pool.js'\n`
    expect(layerViolations({ 'loopback/probe.ts': text })).toEqual([
      'loopback/probe.ts:3 imports ../sockets/pool.js: loopback is below sockets',
    ])
  })

  test('starts in a folder without a layer', () => {
    expect(layerViolations({ 'utils/misc.ts': '' })).toEqual([expect.stringContaining('utils has no layer')])
  })
})

describe('a circle of files', () => {
  test('is named with its files', () => {
    const sources = {
      'a/one.ts': `import { two } from './two.js'`,
      'a/two.ts': `import type { Three } from '../b/three.js'`,
      'b/three.ts': `const one = await import('../a/one.js')`,
    }
    expect(circlesIn(sources)).toEqual(['a/one.ts -> a/two.ts -> b/three.ts -> a/one.ts'])
  })

  test('is found behind files outside the circle', () => {
    const sources = {
      'a.ts': `import './b.js'`,
      'b.ts': `import './c.js'`,
      'c.ts': `export * from './b.js'`,
      'd.ts': '',
    }
    expect(circlesIn(sources)).toEqual(['b.ts -> c.ts -> b.ts'])
  })

  test('does not exist if two paths lead to one file', () => {
    const sources = { 'a.ts': `import './b.js'; import './c.js'`, 'b.ts': `import './c.js'`, 'c.ts': '' }
    expect(circlesIn(sources)).toEqual([])
  })
})

describe('the platform', () => {
  test('may be read in platform/', () => {
    expect(layerViolations({ 'platform/errno.ts': `export const isMac = process.platform === 'darwin'` })).toEqual([])
  })

  test('may be named in a comment, and other properties may have that name', () => {
    expect(layerViolations({ 'errors.ts': `// process.platform\nexport const x = options.platform` })).toEqual([])
  })

  test.each([
    `if (process.platform === 'win32') {}`,
    `if (globalThis.process?.platform === 'win32') {}`,
    `const x = process['platform']`,
    `const { platform } = process`,
    `const { platform: name } = process`,
    `import { platform } from 'node:os'`,
    `import { platform as name } from 'node:process'`,
    `const x = os.platform()`,
  ])('may not be asked for elsewhere: %s', (text) => {
    expect(layerViolations({ 'servers/unix.ts': text })).toEqual([
      'servers/unix.ts:1 asks for the platform outside platform/',
    ])
  })
})
