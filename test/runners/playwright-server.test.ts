import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { reservePort } from '../../src/index.js'
import { environment, webServer } from '../../src/runners/playwright-server.js'
import { node, TRANSPILED } from '../support/program.js'

describe('webServer()', () => {
  test.for([
    ['', undefined, 'ERR_INVALID_ARG_TYPE', 'command'],
    [3000, undefined, 'ERR_INVALID_ARG_TYPE', 'command'],
    ['npm start', 'PORT', 'ERR_INVALID_ARG_TYPE', 'options'],
    ['npm start', { port: 3000 }, 'ERR_PORTSIDE_UNKNOWN_OPTION', 'port'],
    ['npm start', { url: 'http://localhost:3000' }, 'ERR_PORTSIDE_UNKNOWN_OPTION', 'url'],
    ['npm start', { reuseExistingServer: true }, 'ERR_PORTSIDE_UNKNOWN_OPTION', 'reuseExistingServer'],
    ['npm start', { pth: '/' }, 'ERR_PORTSIDE_UNKNOWN_OPTION', 'pth'],
    ['npm start', { path: 'health' }, 'ERR_INVALID_ARG_VALUE', 'path'],
    ['npm start', { https: 'yes' }, 'ERR_INVALID_ARG_TYPE', 'https'],
    ['npm start', { timeout: '1s' }, 'ERR_INVALID_ARG_TYPE', 'timeout'],
    ['npm start', { env: { PORT: '3000' } }, 'ERR_INVALID_ARG_VALUE', 'env'],
    ['npm start', { env: { DEBUG: true } }, 'ERR_INVALID_ARG_TYPE', 'env'],
  ])('rejects %j with %j: %s', ([command, options, code, argument]) => {
    expect(() => webServer(command as string, options as object)).toThrow(expect.objectContaining({ code, argument }))
  })

  test('returns one port for the same arguments, holds each port, and passes options to Playwright', async () => {
    const { lines, child } = await run(`
      const first = webServer('npm start')
      const again = webServer('npm start')
      const other = webServer((port) => 'serve ' + port, { path: '/health', https: true, timeout: 9, env: { A: 'b' } })
      console.log(JSON.stringify([first, again, other]))
      process.stdin.resume()
    `)
    const [first, again, other] = JSON.parse(lines) as Array<ReturnType<typeof webServer>>
    const [port, otherPort] = [first, other].map((server) => Number(new URL(server?.url ?? '').port))
    expect(first).toEqual({
      command: 'npm start',
      url: `http://localhost:${port}`,
      env: { PORT: String(port) },
      reuseExistingServer: false,
    })
    expect(again).toEqual(first)
    expect(other).toEqual({
      command: `serve ${otherPort}`,
      url: `https://localhost:${otherPort}/health`,
      env: { A: 'b', PORT: String(otherPort) },
      reuseExistingServer: false,
      timeout: 9,
    })
    for (const held of [port, otherPort] as number[])
      await expect(reservePort({ port: [held] })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    child.stdin?.end()
    await once(child, 'exit')
    for (const held of [port, otherPort] as number[]) await (await reservePort({ port: [held] })).release()
  })

  test('does not keep the process alive', async () => {
    const { child } = await run(`webServer('npm start'); console.log('called')`)
    if (child.exitCode === null) await once(child, 'exit')
    expect(child.exitCode).toBe(0)
  })

  test('does not use the ports of a run that has started this one', async () => {
    const outer = JSON.stringify({ pid: process.pid, ports: {} })
    const { lines } = await run(`webServer('npm start'); console.log(process.env.PORTSIDE_WEB_SERVERS, process.pid)`, {
      PORTSIDE_WEB_SERVERS: outer,
    })
    const [variable = '', pid] = lines.trim().split(' ')
    expect(JSON.parse(variable)).toEqual({ pid: Number(pid), ports: expect.anything() })
  })

  test('throws in a worker that evaluates another configuration than the main process', () => {
    vi.stubEnv('TEST_WORKER_INDEX', '0')
    vi.stubEnv('PORTSIDE_WEB_SERVERS', JSON.stringify({ pid: process.ppid, ports: { other: 1 } }))
    const [program] = process.argv.splice(1, 1, '/app/node_modules/playwright/lib/worker/workerProcessEntry.js')
    onTestFinished(() => {
      process.argv.splice(1, 1, program as string)
      vi.unstubAllEnvs()
    })
    expect(() => webServer('npm start', { name: 'api' })).toThrow(/^Cannot find the port of a web server \(api\)\.\n/)
  })

  test('releases the port when the variables are read, if nothing can listen on a held port', async () => {
    const handOver = vi.fn()
    const variables = environment({ A: 'b' }, '3000', handOver, false)
    expect(handOver).not.toHaveBeenCalled()
    expect({ ...variables }).toEqual({ A: 'b', PORT: '3000' })
    expect(handOver).toHaveBeenCalledOnce()
    const { lines } = await run(
      `const hold = holdInThread({}); hold.handOver(); hold.handOver(); console.log(hold.port)`,
    )
    expect(Number(lines)).toBeGreaterThan(0)
  })
})

/** Runs an ES module that has the functions, until it has printed a line. */
async function run(code: string, env: NodeJS.ProcessEnv = {}): Promise<{ lines: string; child: ChildProcess }> {
  const from = (file: string): string => JSON.stringify(new URL(file, TRANSPILED).href)
  const imports = [
    `import { webServer } from ${from('runners/playwright-server.js')}`,
    `import { holdInThread } from ${from('ports/hold-in-thread.js')}`,
  ]
  const [program, ...args] = node([...imports, code].join('\n'))
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  onTestFinished(async () => {
    child.kill()
    await exited
  })
  const [lines] = await once(child.stdout, 'data')
  return { lines: String(lines), child }
}
