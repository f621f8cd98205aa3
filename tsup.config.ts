import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { transform } from 'esbuild'
import { defineConfig } from 'tsup'

/** A CJS build of these could not be loaded, for `require('vitest')` throws, whoever calls it; or nobody would load it. */
const esmOnly = {
  cli: 'src/cli/main.ts',
  vitest: 'src/runners/vitest.ts',
  'vitest-pool': 'src/runners/vitest-pool.ts',
  'vitest-pool-worker': 'src/runners/vitest-pool-worker.ts',
  'vitest-setup': 'src/runners/vitest-setup.ts',
}

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    'get-port': 'src/ports/get-port.ts',
    jest: 'src/runners/jest.ts',
    'jest-environment': 'src/runners/jest-environment.ts',
    'jest-runner': 'src/runners/jest-runner.ts',
    mocha: 'src/runners/mocha.ts',
    'node-test': 'src/runners/node-test.ts',
    register: 'src/leaks/register.ts',
    ...esmOnly,
  },
  format: ['esm', 'cjs'],
  dts: true,
  clean: true,
  sourcemap: true,
  platform: 'node',
  target: 'node20',
  // tsup strips `node:` by default, and `test` without it is not a built-in.
  removeNodeProtocol: false,
  esbuildOptions(options, { format }) {
    // tsup has one list of entries for all formats. It has one for their declarations, too: package.json leaves out
    // the .d.cts that nothing exports.
    if (format === 'cjs') options.entryPoints = dualEntries(options.entryPoints)
    // esbuild splits ES modules only, and tsup's own way from there to CJS rewrites every `?.` and `??` into a call.
    options.format = 'esm'
    options.splitting = true
    // A bundled dependency takes its timers from here, too, and not from a global that a test has faked.
    options.inject = ['src/timers.ts']
  },
  esbuildPlugins: [
    {
      name: 'proper-lockfile',
      setup(build) {
        // What proper-lockfile requires, without what that does to the process of the user: graceful-fs replaces
        // fs.close, signal-exit replaces process.emit and listens for every signal.
        // Nor can an ES module require a built-in.
        const instead: Record<string, string> = {
          'graceful-fs': "export * from 'node:fs'",
          path: "export * from 'node:path'",
          'signal-exit': "module.exports = (callback) => process.once('exit', callback)",
        }
        build.onResolve({ filter: /^(graceful-fs|path|signal-exit)$/ }, ({ path, kind }) =>
          kind === 'require-call' ? { path, namespace: 'instead' } : undefined,
        )
        build.onLoad({ filter: /.*/, namespace: 'instead' }, ({ path }) => ({
          contents: instead[path] ?? '',
          resolveDir: import.meta.dirname,
        }))
      },
    },
    {
      name: 'required-built-ins',
      setup(build) {
        // commander requires them, which an ES module cannot.
        build.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
          kind === 'require-call' ? { path, namespace: 'built-in' } : undefined,
        )
        build.onLoad({ filter: /.*/, namespace: 'built-in' }, ({ path }) => ({
          contents: `module.exports = process.getBuiltinModule('${path}')`,
        }))
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
      async renderChunk(code, { path, map }) {
        if (this.format !== 'cjs' || !path.endsWith('.cjs')) return
        return transform(`${code}\n${inline(map)}`, {
          format: 'cjs',
          platform: 'node',
          target: 'node20',
          sourcefile: basename(path),
          sourcemap: 'external',
          // `await import()` becomes a `require` that is as lazy: under Jest a real import() in a CJS file throws.
          supported: { 'dynamic-import': false },
        })
      },
    },
  ],
})

function dualEntries(entries: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(entries as Record<string, string>).filter(([name]) => !(name in esmOnly)))
}

/** esbuild reads the map of its input where a bundler would write it. */
function inline(map: unknown): string {
  const text = typeof map === 'string' ? map : JSON.stringify(map)
  return `//# sourceMappingURL=data:application/json;base64,${Buffer.from(text).toString('base64')}`
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
