import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { npm } from '../support/npm.js'
import { installPacked } from '../support/pack.js'

const root = join(import.meta.dirname, '../..')
const packed = inject('packed')
const { files, size, unpackedSize } = packed
const consumer = mkdtempSync(join(tmpdir(), 'portside-consumer-'))

beforeAll(async () => {
  cpSync(join(root, 'fixtures/projects/packed'), consumer, { recursive: true })
  await installPacked(packed, consumer)
})

afterAll(() => rmSync(consumer, { recursive: true, force: true }))

describe('the tarball', () => {
  test('has the documentation, the build, and nothing else', () => {
    const documents = ['CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'package.json']
    const others = files.filter((file) => !/^(dist|docs)\//.test(file))
    expect(others.sort()).toEqual(documents)
    const pictures = files.filter((file) => file.startsWith('docs/') && !file.endsWith('.md'))
    expect(pictures).toEqual(['docs/benchmarks.svg', 'docs/images/leak.svg'])
    expect(files).toContain('docs/decisions/ports.md')
    const strange = files.filter((file) => file.startsWith('dist/') && !/\.(c?js|d\.c?ts)$/.test(file))
    expect(strange).toEqual(['dist/third-party-licenses.txt'])
  })

  test('stays within its limits', () => {
    expect(size).toBeLessThanOrEqual(500_000)
    expect(unpackedSize).toBeLessThanOrEqual(1_700_000)
    expect(files.length).toBeLessThanOrEqual(145)
  })

  test('has the target of every link to a file', () => {
    const broken = files
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) =>
        [...readFileSync(installed(file), 'utf8').matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)]
          .map(([, target = '']) => target)
          .filter((target) => !target.includes(':') && !existsSync(join(dirname(installed(file)), target)))
          .map((target) => `${file}: ${target}`),
      )
    expect(broken).toEqual([])
  })

  test('bundles p-wait-for and no other package, with its license', () => {
    const text = readFileSync(installed('dist/third-party-licenses.txt'), 'utf8')
    expect(text.split('\n\n----\n\n').map((license) => license.split('\n')[0])).toEqual(['p-wait-for (MIT)'])
    expect(text).toContain('Copyright (c) Sindre Sorhus')
  })

  test('defines no require, has no source map, and requires only built-ins and its dependencies', () => {
    const { dependencies, peerDependencies } = manifest()
    const named = Object.keys({ ...dependencies, ...peerDependencies })
    const shim = /__require|__commonJS|^\/\/# sourceMappingURL/m
    const imports = /\b(?:require|import)\(["'`]([^"'`]+)["'`]\)|\bfrom ?["']([\w@./:-]+)["']/g
    const code = files
      .filter((file) => /^dist\/.*\.c?js$/.test(file))
      // esbuild limits the length of a line by a break within a string.
      .map((file) => [file, readFileSync(installed(file), 'utf8').replaceAll('\\\n', '')] as const)
    expect(code.flatMap(([file, text]) => (shim.test(text) ? [file] : []))).toEqual([])
    const imported = code.flatMap(([, text]) => [...text.matchAll(imports)].map(([, one, other]) => one ?? other ?? ''))
    const packages = imported.flatMap((name) => (/^(\.|node:|\$\{)/.test(name) ? [] : /^(?:@[^/]+\/)?[^/]+/.exec(name)))
    expect(packages).toContain('@peculiar/asn1-x509')
    // The lines that `portside doctor` prints contain the name of the package.
    expect(packages.filter((name) => !['portside', ...named].includes(name ?? ''))).toEqual([])
  })

  test('has every file that package.json names, and no other entry', () => {
    const { bin, exports, main, module, types } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    // The pool starts workers by path, the preset names its files, and two entries share a file.
    const started = [
      './dist/vitest-install.js',
      './dist/vitest-pool-worker.js',
      './dist/jest-setup.cjs',
      './dist/jest-results.cjs',
    ]
    const named = [main, module, types, ...Object.values<string>(bin), ...started, ...targets(exports)].map(
      (path: string) => path.replace(/^\.\//, ''),
    )
    expect(named.length).toBeGreaterThan(6)
    expect(named.filter((path) => !files.includes(path))).toEqual([])
    // The build breaks long lines, even in a string.
    const list = readFileSync(installed('dist/rooms.cjs'), 'utf8').replaceAll('\\\n', '')
    const rooms = [...list.matchAll(/"\.\/([a-z-]+\.cjs)"/g)]
    expect(rooms.length).toBeGreaterThan(6)
    const loaded = ['dist/rooms.cjs', ...rooms.map(([, file]) => `dist/${file}`)]
    // The names of shared declarations have a hash.
    const entries = files.filter((file) => /^dist\/[a-z-]+\.(c?js|d\.c?ts)$/.test(file))
    expect(entries.filter((file) => ![...named, ...loaded].includes(file))).toEqual([])
  })

  test('depends only on the packages that write certificates', () => {
    expect(Object.keys(manifest().dependencies)).toEqual(['@peculiar/asn1-schema', '@peculiar/asn1-x509'])
  })

  test('contains no path of the machine that built it', () => {
    const machine = [root, homedir()].map((path) => `${path}/`)
    const spellings = machine.flatMap((path) => [path, path.replaceAll('\\', '/'), path.replaceAll('\\', '\\\\')])
    const naming = files.filter((file) => {
      const text = readFileSync(installed(file), 'utf8')
      return spellings.some((path) => text.includes(path))
    })
    expect(naming).toEqual([])
  })
})

describe('the exports by import and by require', () => {
  test('have the same names', async () => {
    const { esm, cjs } = await report('names.mjs')
    expect(esm).toContain('listenTcp')
    expect(cjs).toEqual(esm)
  })

  test('share their state with another copy', async () => {
    expect(await report('one-state.mjs')).toEqual({
      copies: 2,
      keysBefore: expect.toSatisfy((count) => count > 0),
      keysAdded: [],
      valuesReplaced: [],
      sameFamilies: true,
    })
  })

  test.each(['load-esm.mjs', 'load-cjs.cjs'])('do not load TLS and HTTP: %s', async (program) => {
    const { loaded, control } = await report(program)
    expect(loaded).toEqual([])
    expect(control).toEqual(expect.arrayContaining(['tls', 'http', 'https', 'http2', 'child_process']))
  })

  test('load their modules where import() fails, as in a CJS file under Jest', async () => {
    expect(await report('without-import.cjs')).toEqual({
      importRefused: true,
      schemes: ['tcp:', 'tls:', 'http:', 'https:', 'http:', 'https:'],
      signal: 'SIGTERM',
      port: 'number',
    })
  })
})

describe('the rooms of the build', () => {
  test.each([
    ['portside', ['base']],
    ['portside/get-port', []],
    ['portside/register', ['base', 'check']],
    ['portside/mocha', ['base', 'check']],
  ])('%s evaluates only the rooms that it needs to load, by require and by import', async (entry, rooms) => {
    expect(await report('rooms-of.cjs', 'require', entry)).toEqual(rooms)
    expect(await report('rooms-of.cjs', 'import', entry)).toEqual(rooms)
  })

  test('portside/jest evaluates only the rooms that it needs to load, by require', async () => {
    expect(await report('rooms-of.cjs', 'require', 'portside/jest')).toEqual(['base', 'jest-check'])
  })

  test.skipIf(process.platform === 'win32').each([
    ['assertion', ['ERR_PORTSIDE_ASSERTION', true]],
    ['matcher', [true, false, true]],
    ['explanation', ['EMFILE', true]],
    ['leak', ['ERR_PORTSIDE_LEAK', true, true]],
    ['server', ['EMFILE', true, 0]],
    ['reservation', ['EMFILE', true]],
    ['table', ['EMFILE']],
  ])('work when no descriptor is left: %s', async (what, answer) => {
    const program = [process.execPath, 'without-descriptors.mjs', what]
    const { stdout } = await promisify(execFile)('sh', ['-c', 'ulimit -n 64; exec "$@"', 'sh', ...program], {
      cwd: consumer,
    })
    expect(JSON.parse(stdout)).toEqual(answer)
  })
})

describe('the leak check', () => {
  test('is shared by two copies: each finds the sockets that the other has seen, with their owner', async () => {
    const both = [
      ['client', 'a test'],
      ['accepted', 'a test'],
    ]
    expect(await report('leaks-by-two-copies.mjs')).toEqual({ one: both, other: both, left: 0 })
  })

  test('finds clients that reconnect, even if the copy that tracks cannot load more files', async () => {
    expect(await report('leaks-after-a-copy.mjs')).toEqual([['client', 'ECONNREFUSED']])
  })

  test.each(['portside/register', './node_modules/portside/dist/register.cjs'])(
    'sees sockets that are opened before portside is imported: %s',
    async (register) => {
      const how = register.endsWith('.cjs') ? '--require' : '--import'
      expect(await output([how, register, 'registered.mjs'])).toBe('[["listener",5]]')
    },
  )

  test('keeps the exit code of a test that ends its process', async () => {
    const error = await output(['--import', 'portside/node-test', 'exit.test.cjs']).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 7, signal: null, stderr: expect.stringMatching(/^portside: .*\n$/) })
  })

  test('adds no frame of portside to an error of a node:test test', async () => {
    const options = ['--import', 'portside/node-test', '--test-reporter=tap', 'own-frames.test.mjs']
    const { stdout } = await output(options).catch((thrown) => thrown)
    expect(stdout).toMatch(/^# fail 4$/m)
    expect(stdout.match(/^.*own-frames.test.mjs:\d+:\d+\)$/gm)).toHaveLength(4)
    expect(stdout).not.toMatch(/portside.dist/)
  })
})

test('waits continue under fake timers, even in the bundled poller', async () => {
  expect(await report('fake-timers.mjs')).toEqual({ faked: true, listening: true })
})

test('portside/get-port shares its state between import and require, and holds its ports', async () => {
  expect(await report('get-port.mjs')).toEqual({
    names: ['clearLockedPorts', 'default', 'portNumbers'],
    different: true,
    freed: true,
  })
})

const manifest = () => JSON.parse(readFileSync(installed('package.json'), 'utf8'))

const installed = (file: string): string => join(consumer, 'node_modules/portside', file)

/** The JSON that a program of the consumer prints. */
async function report(program: string, ...args: string[]) {
  return JSON.parse(await output([program, ...args]))
}

async function output(args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: consumer })
  return stdout.trim()
}

/** Every path in an `exports` map. */
function targets(exports: unknown): string[] {
  return typeof exports === 'string' ? [exports] : Object.values(exports as object).flatMap(targets)
}

test('has a command line that runs in a project', async () => {
  const { version } = manifest()
  expect(await npm(['exec', '--offline', '--', 'portside', '--version'], consumer)).toBe(`${version}\n`)
})
