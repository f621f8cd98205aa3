import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { transform } from 'esbuild'
import { defineConfig } from 'tsup'

/** A CJS build of these could not be loaded, for `require('vitest')` throws, whoever calls it; or nobody would load it. */
const esmOnly = {
  cli: 'src/cli/main.ts',
  vitest: 'src/runners/vitest.ts',
  'vitest-plugin': 'src/runners/vitest-plugin.ts',
  'vitest-pool': 'src/runners/vitest-pool.ts',
  'vitest-pool-worker': 'src/runners/vitest-pool-worker.ts',
  'vitest-setup': 'src/runners/vitest-setup.ts',
}

const dual = {
  index: 'src/main.ts',
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

/** The code that most entries share, in one file. */
const SHARED = [
  'src/index.ts',
  'src/leaks/leak-check.ts',
  'src/leaks/main-process.ts',
  'src/runners/announcement.ts',
  'src/runners/install-matchers.ts',
  'src/runners/jest-place.ts',
  'src/runners/main-place.ts',
  'src/runners/jest-runner-mark.ts',
  'src/runners/playwright-leaks.ts',
  'src/runners/playwright-server.ts',
  'src/runners/private-workers.ts',
  'src/runners/right-place.ts',
  'src/runners/use-net.ts',
  'src/runners/vitest-worker.ts',
  'src/runners/with-arity.ts',
]

/** These load node:child_process, so portside imports them when they are first needed. One file, too. */
const LAZY = [
  'src/namespaces/holder.ts',
  'src/namespaces/host.ts',
  'src/programs/command.ts',
  'src/programs/foreground.ts',
  'src/programs/ready.ts',
  'src/programs/start.ts',
  'src/programs/wait-for-answer.ts',
  'src/programs/wait-for-process.ts',
]

const SHARED_FILE = { path: 'shared', namespace: 'portside' }
const LAZY_FILE = { path: 'lazy', namespace: 'portside' }

/** Entries for every process or for a single function: they load what they need and not the rest. */
const LEAN: readonly string[] = [dual['get-port'], dual.register, dual['jest-setup']]

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
    // tsup has one list of entries for all formats. It has one for their declarations, too: package.json leaves out
    // the .d.cts that nothing exports.
    if (format === 'cjs') options.entryPoints = dual
    // esbuild splits ES modules only, and tsup's own way from there to CJS rewrites every `?.` and `??` into a call.
    options.format = 'esm'
    options.splitting = true
    // Shorter, with the names of functions, which stacks show.
    options.minify = true
    options.keepNames = true
    // The bundled p-wait-for takes its timers from here, too, and not from a global that a test has faked.
    options.inject = ['src/timers.ts']
  },
  esbuildPlugins: [
    {
      name: 'few-files',
      setup(build) {
        // esbuild writes a file for each set of entries that reach the same code: over 80 files, most of them tiny. Entries that
        // reach the same code share one file.
        const sharing = [
          ...Object.values({ ...dual, ...esmOnly }),
          ...LAZY,
          'src/leaks/last-look.ts',
          'src/servers/certificate.ts',
          'src/runners/jest-other-environment.ts',
        ]
        const paths = new Set(sharing.filter((path) => !LEAN.includes(path)).map((path) => resolve(path)))
        build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
          if (!paths.has(path)) return
          return { contents: `${readFileSync(path, 'utf8')}\nimport 'portside:shared'\n`, loader: 'ts' }
        })
        build.onResolve({ filter: /^portside:shared$/ }, () => ({ ...SHARED_FILE, sideEffects: true }))
        build.onLoad({ filter: /^shared$/, namespace: 'portside' }, () => reexport(SHARED))
        build.onLoad({ filter: /^lazy$/, namespace: 'portside' }, () => reexport(LAZY))
        build.onResolve({ filter: /^\./ }, ({ path, kind, resolveDir }) => {
          if (kind !== 'dynamic-import') return
          const target = resolve(resolveDir, path.replace(/\.js$/, '.ts'))
          return LAZY.some((lazy) => resolve(lazy) === target) ? LAZY_FILE : undefined
        })
      },
    },
    {
      name: 'third-party-licenses',
      setup(build) {
        build.initialOptions.metafile = true
        build.onEnd(({ metafile }) => {
          mkdirSync('dist', { recursive: true })
          writeFileSync('dist/third-party-licenses.txt', licenses(Object.keys(metafile?.inputs ?? {})))
        })
      },
    },
  ],
  plugins: [
    {
      name: 'chunks-to-cjs',
      async renderChunk(code, { path }) {
        if (this.format !== 'cjs' || !path.endsWith('.cjs')) return
        const isChunk = !Object.keys(dual).some((entry) => path.endsWith(`/${entry}.cjs`))
        return transform(code, {
          format: 'cjs',
          platform: 'node',
          target: 'node20',
          // Of an entry, attw finds the exports by how esbuild prints them.
          minifyWhitespace: isChunk,
          minifyIdentifiers: isChunk,
          // Without the mark of an ES module, of which Jest would read the default export.
          footer: path.endsWith('/jest-preset.cjs') ? 'module.exports = { ...module.exports }' : '',
          // `await import()` becomes a `require` that is as lazy: under Jest a real import() in a CJS file throws.
          supported: { 'dynamic-import': false },
        })
      },
    },
  ],
})

/** A module that exports all of these modules. */
function reexport(paths: readonly string[]) {
  return {
    contents: paths.map((path) => `export * from './${path}'`).join('\n'),
    resolveDir: import.meta.dirname,
  }
}

/** The license texts of the packages that these inputs of the build come from: whoever bundles them passes them on. */
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
