import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { build, type Plugin, transform } from 'esbuild'
import { defineConfig } from 'tsup'
import { markOf } from './src/rooms.js'

// Both module systems share one build of the code. It is CommonJS, because only `require` can load code in the middle of a function that
// is not async. The code lies in rooms: groups of modules that have a file each. An import from another room becomes a call that
// evaluates that room when something of it is first used, so an entry loads what it needs and not what it may need (src/rooms.ts).

/** The first pattern that fits says which room a file of src/ is in; the others are in the room named for their folder. */
const ROOMS: ReadonlyArray<readonly [room: string, files: RegExp]> = [
  ['servers', /^scope\.ts$/],
  ['base', /^[^/]+$/],
  [
    'base',
    /^platform\/(channels|errno|node-internals|node-objects|patches|process-mark|process-stat|run-claim|runtime)\.ts$/,
  ],
  ['jest-check', /^runners\/(jest-leaks|jest-place|jest-runner-mark|with-arity)\.ts$/],
  ['base', /^runners\/(main-place|right-place|this-runner|vitest-worker)\.ts$/],
  ['check', /^runners\/(announcement|bun-test|deno-place|frames-only|install-matchers)\.ts$/],
  ['check', /^socket-table\/own-sockets\.ts$/],
  ['check', /^platform\/(active-resources|descriptor-inode|table-source)\.ts$/],
  ['base', /^(explanations\/opened-at|sockets\/(client-sockets|infrastructure|tuple))\.ts$/],
  ['check', /^assertions\/matchers\.ts$/],
  ['check', /^sockets\/(bound-port|servers-of-bun)\.ts$/],
  [
    'check',
    /^leaks\/(alive-before|client-pools|close-leaked|context-store|dials|find-open|grace|known|leak-check|main-process|native-openers|natives|options|peers|runner-options|senders|snapshot|trace|tracked-socket|tracker|tracking|untracked|workers)\.ts$/,
  ],
  ['base', /^loopback\/endpoint\.ts$/],
  ['report', /^leaks\//],
  [
    'explanations',
    /^platform\/(ephemeral-range|excluded-ports|hosts-file|open-files|own-connections|lost-codes|privileged-ports)\.ts$/,
  ],
  ['ports', /^platform\/(abstract-name|port-hold|port-lock)\.ts$/],
  ['servers', /^platform\/(backlog|permissions|socket-directory|unix-path)\.ts$/],
  ['socket-table', /^platform\/output-of\.ts$/],
  ['programs', /^platform\//],
  ['servers', /^(loopback|sockets|servers)\//],
  ['cli-project', /^cli\/project\//],
]

/** The command line is not needed when descriptors have run out. */
const NOT_AHEAD = ['cli', 'cli-project']

/** Entries for both module systems. */
const dual = {
  index: 'src/main.ts',
  bun: 'src/runners/bun.ts',
  deno: 'src/runners/deno.ts',
  'get-port': 'src/ports/get-port.ts',
  jest: 'src/runners/jest.ts',
  'jest-environment': 'src/runners/jest-environment.ts',
  'jest-preset': 'src/runners/jest-preset.ts',
  'jest-results': 'src/runners/jest-results.ts',
  'jest-runner': 'src/runners/jest-runner.ts',
  'jest-setup': 'src/runners/jest-setup.ts',
  mocha: 'src/runners/mocha.ts',
  'node-test': 'src/runners/node-test.ts',
  playwright: 'src/runners/playwright.ts',
  register: 'src/leaks/register.ts',
}

/** `require('vitest')` throws, so these entries have no CommonJS file. */
const esmOnly = {
  cli: 'src/cli/main.ts',
  vitest: 'src/runners/vitest.ts',
  'vitest-plugin': 'src/runners/vitest-plugin.ts',
  'vitest-pool': 'src/runners/vitest-pool.ts',
  'vitest-pool-worker': 'src/runners/vitest-pool-worker.ts',
  'vitest-setup': 'src/runners/vitest-setup.ts',
}

/** A separate file: Vitest evaluates a setup file itself, and there an import() of a missing export fails in another way. */
const INSTALL = 'src/runners/vitest-install.ts'

const src = resolve(import.meta.dirname, 'src')
const sources = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .map((name) => name.replaceAll('\\', '/'))
  .filter((name) => name.endsWith('.ts'))
const entries = new Set(
  Object.values({ ...dual, ...esmOnly }).map((path) => relative('src', path).replaceAll('\\', '/')),
)

/** Undefined for what an entry has in its own file. */
function roomOf(file: string): string | undefined {
  if (entries.has(file) || OF_ENTRIES.test(file)) return undefined
  return ROOMS.find(([, files]) => files.test(file))?.[0] ?? file.split('/')[0]
}

const OF_ENTRIES = /^(index|rooms|read-ahead|runners\/(mocha-run|vitest-(install|leaks|main)))\.ts$/

const rooms = [...new Set(sources.map(roomOf))].filter((room) => room !== undefined).sort()

export default defineConfig({
  entry: { ...dual, ...esmOnly },
  format: ['esm', 'cjs'],
  dts: true,
  clean: true,
  platform: 'node',
  target: 'node20',
  // tsup strips `node:` by default, and `test` without it is not a built-in.
  removeNodeProtocol: false,
  esbuildOptions(options, { format }) {
    // tsup has one list of entries for all formats, and so for their declarations: package.json leaves out the .d.cts that nothing exports.
    options.entryPoints =
      format === 'esm'
        ? { ...esmOnly, 'vitest-install': INSTALL, ...named(Object.keys(dual), 'face') }
        : { ...dual, rooms: 'src/rooms.ts', ...named(rooms, 'room') }
    options.splitting = false
    // Names stay as they are: stacks show them.
    options.minifyWhitespace = format === 'esm'
    options.minifySyntax = format === 'esm'
    // An import() in a CommonJS file throws under Jest.
    if (format === 'cjs') options.supported = { 'dynamic-import': false }
  },
  esbuildPlugins: [
    importRooms(),
    {
      name: 'third-party-licenses',
      setup({ initialOptions, onEnd }) {
        if (initialOptions.format !== 'cjs') return
        initialOptions.metafile = true
        onEnd(({ metafile }) => {
          mkdirSync('dist', { recursive: true })
          writeFileSync('dist/third-party-licenses.txt', licenses(Object.keys(metafile?.inputs ?? {})))
        })
      },
    },
  ],
  plugins: [
    {
      name: 'evaluate-rooms-lazily',
      async renderChunk(code, { path }) {
        const [, name = ''] = /([^/\\]+)\.cjs$/.exec(path) ?? []
        if (this.format !== 'cjs' || name === '') return
        const isRoom = rooms.includes(name)
        const minified = await transform(name === 'rooms' ? withRooms(code) : lazyImports(code, isRoom), {
          platform: 'node',
          target: 'node20',
          // Of an entry, attw finds the exports by how esbuild prints them.
          minifySyntax: isRoom,
          minifyWhitespace: isRoom,
          // Node prints the source line of an unhandled error.
          lineLimit: 200,
          // Without the mark of an ES module, of which Jest would read the default export.
          footer: name === 'jest-preset' ? 'module.exports = { ...module.exports }' : '',
        })
        const [names = ''] = /^0 && \(module\.exports = \{[^}]*\}\);$/m.exec(code) ?? []
        return isRoom ? compiledAtOnce(name, minified.code) : { code: `${minified.code}${names}\n` }
      },
    },
  ],
})

const named = (names: readonly string[], kind: string): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, `portside-${kind}:${name}`]))

/** Resolves an import from another room to `portside:ROOM`, in CommonJS, and else to a module that takes what it exports from there. */
function importRooms(): Plugin {
  return {
    name: 'import-rooms',
    setup({ initialOptions, onResolve, onLoad }) {
      const isCommonJs = initialOptions.format === 'cjs'
      onResolve({ filter: /^portside-(room|face):/ }, ({ path }) => {
        const [namespace = '', name = ''] = path.split(':')
        return { path: name, namespace }
      })
      onResolve({ filter: /^\.\/[\w-]+\.cjs$/ }, ({ path }) => ({ path, external: true }))
      onResolve({ filter: /^\.{1,2}\// }, ({ path, importer, resolveDir }) => {
        if (!importer.startsWith(src)) return
        const file = fileOf(resolve(resolveDir, path.replace(/\.js$/, '.ts')))
        if (resolve(src, file) === resolve(INSTALL)) return { path: './vitest-install.js', external: true }
        const room = file === 'read-ahead.ts' && isCommonJs ? '' : roomOf(file)
        if (room === undefined || room === roomOf(fileOf(importer))) return
        return isCommonJs
          ? { path: `portside:${room}`, external: true }
          : { path: file, namespace: 'portside-use', sideEffects: false }
      })
      onLoad(inNamespace('portside-room'), ({ path }) => ({
        contents: sources
          .filter((file) => roomOf(file) === path)
          .map((file) => `export * from './${file}'`)
          .join('\n'),
        resolveDir: src,
      }))
      onLoad(inNamespace('portside-face'), async ({ path }) => ({
        contents: faceOf(path, await exportsOf(resolve(dual[path as keyof typeof dual]))),
        resolveDir: src,
      }))
      onLoad(inNamespace('portside-use'), async ({ path }) => ({
        contents: usesOf(roomOf(path), await exportsOf(resolve(src, path))),
        resolveDir: src,
      }))
      onResolve({ filter: /^portside-rooms:$/ }, ({ path }) => ({ path, namespace: 'portside-rooms' }))
      // Not by an import, for which Node looks for the exports of a CommonJS file.
      onLoad(inNamespace('portside-rooms'), () => ({
        contents:
          "import { createRequire } from 'node:module'\nexport default createRequire(import.meta.url)('./rooms.cjs')",
      }))
      // The bundled p-wait-for takes its timers from portside, and not from a global that a test has faked.
      onLoad({ filter: /[/\\]p-wait-for[/\\]index\.js$/ }, ({ path }) => ({
        contents: `import { clearTimeout, setTimeout } from 'portside:base'\n${readFileSync(path, 'utf8')}`,
      }))
      onResolve({ filter: /^portside:/ }, ({ path }) => ({ path, external: true }))
    },
  }
}

const inNamespace = (namespace: string) => ({ filter: /./, namespace })

const fileOf = (path: string): string => relative(src, path).replaceAll('\\', '/')

/** The names of the values that a module exports. */
async function exportsOf(path: string): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: [path],
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    metafile: true,
    write: false,
    outdir: '.',
    logLevel: 'error',
  })
  return Object.values(metafile.outputs).flatMap((output) => output.exports)
}

/**
 * An entry for `import`. The functions of `portside` load their room when you call them. They get the CommonJS file from the rooms:
 * Node reads every export of an imported CommonJS file, which would load every room.
 */
function faceOf(name: string, exported: readonly string[]): string {
  const exports = exported.map((each) => {
    if (each === 'default') return 'export default entry.default'
    const value = name === 'index' ? `(...args) => entry.${each}(...args)` : `entry.${each}`
    return `export const ${each} = ${value}`
  })
  const head =
    name === 'index'
      ? ["import use from './rooms.cjs'", 'const entry = use.index()']
      : [`import entry from './${name}.cjs'`]
  return [...head, ...exports].join('\n')
}

/** The exports of a room that an ES module uses, read when the module is evaluated. */
function usesOf(room: string | undefined, exported: readonly string[]): string {
  const exports = exported.map((name) => `export const ${name} = /* @__PURE__ */ get('${name}')`)
  return ["import use from 'portside-rooms:'", `const get = (name) => use('${room}')[name]`, ...exports].join('\n')
}

/** Puts a call in the place of each import of a room, and of each module of Node's, which take their time, too. */
function lazyImports(code: string, isRoom: boolean): string {
  const calls = new Map<string, string>()
  const imported = new Map<string, string>()
  const body = code
    .replace(
      /^var (import_\w+) = (?:__toESM\()?require\("((?:portside|node):[^"]*)"\)(?:, 1)?\)?;$/gm,
      (_, name, path) => {
        const call = `$${path.replace(/^portside:/, '').replaceAll(/\W/g, '_')}`
        calls.set(call, path.startsWith('portside:') ? `use('${path.slice(9)}')` : `require('${path}')`)
        imported.set(name, call)
        return ''
      },
    )
    .replace(/\b(import_\w+)(\.default\b)?/g, (text, name, member = '') => {
      const call = imported.get(name)
      if (call === undefined) return text
      return call.startsWith('$node_') ? `(${call}())` : `(${call}()${member})`
    })
    .replace(/__toESM\(require\("portside:(\w+)"\)\)/g, "use('$1')")
  const head = [...calls].map(([call, load]) =>
    load === "use('')" ? `const ${call} = () => use;` : `let ${call}_; const ${call} = () => ${call}_ ??= ${load};`,
  )
  const lazy = [...head, body].join('\n')
  if (!isRoom) return `const use = require('./rooms.cjs');\n${lazy}`
  const filling = lazy
    .replace(/^module\.exports = __toCommonJS\((\w+)\);$/m, 'module.exports = $1;')
    .replace(/^0 && \(module\.exports = \{[^}]*\}\);$/m, '')
  return `module.exports = (use, module) => {\n"use strict";\n${filling}\n}`
}

/** In parentheses V8 compiles a function when it compiles the file, and does not read it twice (https://v8.dev/blog/preparser). */
function compiledAtOnce(name: string, code: string): { code: string } {
  const [, parameters, body] = /^module\.exports=(\(\w+,\w+\))=>(\{.*\});\s*$/s.exec(code) ?? []
  if (body === undefined) throw new Error(`not a room: ${code.slice(0, 80)}`)
  return { code: `${markOf(name)}module.exports=(function${parameters}${body});\n` }
}

/** The file that knows all rooms: one for each copy of the package in a process. */
function withRooms(code: string): string {
  const files = rooms.map((room) => {
    const ahead = NOT_AHEAD.includes(room) ? '' : ', ahead: true'
    return `'${room}': { load: () => require('./${room}.cjs')${ahead} }`
  })
  const use = `createRooms({ ${files.join(', ')} }, __dirname, require)`
  return `${code}\nmodule.exports = Object.assign(${use}, { index: () => require('./index.cjs') })`
}

/** The license texts of the packages that these inputs of the build come from. A bundle must include them. */
function licenses(inputs: string[]): string {
  const folders = inputs.map((input) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0])
  const texts = [...new Set(folders)].flatMap((folder) => (folder ? [license(folder)] : []))
  return texts.sort().join('\n\n----\n\n')
}

function license(folder: string): string {
  const { name, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find((entry) => /^licen[cs]e(\.\w+)?$/i.test(entry))
  if (!file) throw new Error(`${name} is bundled and has no license file`)
  return `${name} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
}
