import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeVersion, packInto, project, run } from '../consumers/project.js'

// Runs workers in private networks with each runner that supports them. Eight files use the same ports and wait for each other. A suite
// runs on hosts of four kinds. fixed-ports.test.ts does it with the runners of this checkout.

const folder = mkdtempSync(join(tmpdir(), 'portside-pools-'))
try {
  const tarball = await packInto(folder)
  const matrix = { folder, tarball }
  const combinations = [
    ...[
      ['4.0', '20'],
      ['4', '22'],
      ['5', '22'],
      ['5', '24'],
    ].map(([version = '', node = '']) => ({
      name: `vitest ${version}, Node ${node}`,
      node,
      files: project(join(folder, `vitest-${version}-${node}`), 'fixed-ports', [`vitest@${version}`, 'vite', tarball]),
      command: (root: string, file: string) => [
        ...['node_modules/vitest/vitest.mjs', 'run', `--root=${root}`, '--reporter=default'],
        ...['--reporter=json', `--outputFile.json=${file}`],
      ],
    })),
    ...['29', '30'].map((version) => ({
      name: `jest ${version}, Node 20`,
      node: '20',
      files: project(join(folder, `jest-${version}`), 'fixed-ports', [`jest@${version}`, tarball]),
      command: (root: string, file: string) => [
        ...[
          'node_modules/jest/bin/jest.js',
          '--watchman=false',
          `--config=${root}/jest.config.${root === '.' ? 'c' : 'm'}js`,
        ],
        ...['--json', `--outputFile=${file}`],
      ],
    })),
  ]
  const nodes = new Map(['20', '22', '24'].map((major) => [major, nodeVersion(matrix, major)]))
  let failed = 0
  for (const { name, node, files, command } of combinations) {
    const { folder: place } = await files()
    const program = await (nodes.get(node) as () => Promise<string>)()
    for (const [what, root] of [
      ['fixed ports', '.'],
      ['hosts of four kinds', 'hosts'],
    ] as const) {
      const file = join(mkdtempSync(join(place, 'report-')), 'report.json')
      const MEETING = mkdtempSync(join(place, 'meeting-'))
      const output = await run(program, command(root, file), place, { MEETING })
      const passed = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).numPassedTests : 0
      console.log(`${`${name}, ${what}`.padEnd(44)} ${passed}/8 ${passed === 8 ? 'ok' : 'FAILED'}`)
      if (passed === 8) continue
      failed++
      console.log(output.slice(-3000))
    }
  }
  console.log(`\n${combinations.length * 2 - failed} combinations are ok, ${failed} FAILED`)
  if (failed > 0) process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
