import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { namespaceSupport, spawnInNamespace } from '../../dist/index.js'
import { type Figure, median } from './figure.js'

const root = join(import.meta.dirname, '../..')

/** What a private network costs: a program, a range that is used up, a suite. */
export async function privateNetworks(): Promise<Figure[]> {
  const support = await namespaceSupport()
  if (!support.supported) {
    console.log(`no private networks here: ${support.reason}`)
    return []
  }
  return [await firstMessage(), await exhaustion(), await fixedPorts()]
}

const PROGRAM = ['-e', "process.send('up'); process.disconnect()"]
const STDIO = { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] } as const

async function firstMessage(): Promise<Figure> {
  const plain: number[] = []
  const inside: number[] = []
  for (let round = 0; round < 25; round++) {
    plain.push(await timeOf(async () => spawn(process.execPath, PROGRAM, { stdio: [...STDIO.stdio] })))
    inside.push(await timeOf(() => spawnInNamespace({}, process.execPath, PROGRAM, { stdio: [...STDIO.stdio] })))
  }
  const value = median(inside) / median(plain)
  return { name: 'spawnInNamespace to the first message, beside spawn', value, unit: 'x', bar: 1.25 }
}

async function timeOf(start: () => Promise<ChildProcess>): Promise<number> {
  const before = performance.now()
  const child = await start()
  await once(child, 'message')
  const time = performance.now() - before
  if (child.exitCode === null) await once(child, 'exit')
  return time
}

async function exhaustion(): Promise<Figure> {
  const code = `
    import net from 'node:net'
    import { assertEphemeralPortsExhausted, exhaustEphemeralPorts } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)}
    const times = []
    for (let round = 0; round < 15; round++) {
      const before = performance.now()
      const exhaustion = await exhaustEphemeralPorts()
      await assertEphemeralPortsExhausted(() => net.connect(1, '127.0.0.1'))
      await exhaustion.release()
      times.push(performance.now() - before)
    }
    console.log(times.sort((a, b) => a - b)[7])`
  const child = await spawnInNamespace({ ephemeralPorts: 16 }, process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const value = Number(await text(child.stdout!))
  return { name: '16 ports exhausted, asserted and released, median', value, unit: 'ms', bar: 20 }
}

/** The project with fixed ports under the pool, beside the same files with port 0 under Vitest's forks. */
async function fixedPorts(): Promise<Figure> {
  const folder = mkdtempSync(join(tmpdir(), 'portside-bench-'))
  try {
    cpSync(join(root, 'fixtures/projects/fixed-ports'), folder, { recursive: true })
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(root, join(folder, 'node_modules/portside'), 'junction')
    symlinkSync(join(root, 'node_modules/vitest'), join(folder, 'node_modules/vitest'), 'junction')
    const run = async (env: NodeJS.ProcessEnv): Promise<number> => {
      const before = performance.now()
      const vitest = join(root, 'node_modules/vitest/vitest.mjs')
      await promisify(execFile)(process.execPath, [vitest, 'run'], {
        cwd: folder,
        env: { ...process.env, WORKERS: '2', ...env },
      })
      return performance.now() - before
    }
    const plain: number[] = []
    const pool: number[] = []
    for (let round = 0; round < 5; round++) {
      plain.push(await run({ PLAIN: '1', ANY_PORT: '1' }))
      pool.push(await run({}))
    }
    const value = median(pool) / median(plain)
    return { name: 'eight files with fixed ports under the pool, beside port 0', value, unit: 'x', bar: 1.2 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
