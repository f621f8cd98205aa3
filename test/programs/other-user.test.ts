import { execFile, spawn, spawnSync } from 'node:child_process'
import { chmod, chown, copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it, onTestFinished, type TestContext } from 'vitest'
import { listenTcp } from '../../src/index.js'
import { asNobody, whyNotNobody } from '../support/nobody.js'
import { node } from '../support/program.js'

const PROGRAMS = new URL('../../fixtures/programs/', import.meta.url)

/** Runs code as the user `nobody`, with these modules of the sources. This process and its listener belong to another user. */
async function nobodySees(context: TestContext, modules: string[], code: string): Promise<unknown> {
  if (process.platform !== 'linux') context.skip('only Linux hides what belongs to another user')
  if (whyNotNobody !== undefined) context.skip(whyNotNobody)
  const load = modules.map(
    (name) => `Object.assign(globalThis, await import(new URL('${name}.js', process.env.PORTSIDE)))`,
  )
  const [program, ...args] = node(`${load.join('\n')}\n${asNobody(`console.log(JSON.stringify(await (${code})()))`)}`)
  return JSON.parse((await promisify(execFile)(program, args)).stdout)
}

it('sees that a process of another user runs', async (context) => {
  const code = `async () => isRunning(identified(${process.pid}))`
  expect(await nobodySees(context, ['platform/process-tree'], code)).toBe(true)
})

it('does not know the owner of a listener that a process of another user may hold', async (context) => {
  await using server = await listenTcp()
  const code = `async () => ({ whose: whoseListener(${JSON.stringify(server.endpoint)}, new ProgramFamily(${process.pid})) })`
  expect(await nobodySees(context, ['programs/listener', 'platform/program-family'], code)).toEqual({ whose: {} })
})

it('knows that a listener of a visible process belongs to another program', async (context) => {
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 60000)'])
  onTestFinished(() => void other.kill('SIGKILL'))
  const code = `async () => {
    const server = await portside.listenTcp()
    const { own, stranger } = whoseListener(server.endpoint, new ProgramFamily(${other.pid}))
    await server.close()
    return { own, thisProcess: stranger?.thisProcess }
  }`
  expect(await nobodySees(context, ['programs/listener', 'platform/program-family'], code)).toEqual({
    own: false,
    thisProcess: true,
  })
})

it('reports that it cannot see the sockets of another user', async (context) => {
  await using _server = await listenTcp()
  const code = `() => waitForProcess(${process.pid}, { timeout: 100 }).catch(({ code, because, next }) => ({ code, because, next }))`
  expect(await nobodySees(context, ['programs/wait-for-process', 'programs/not-ready'], code)).toEqual({
    code: 'ERR_PORTSIDE_WAIT_TIMEOUT',
    because: 'its sockets cannot be seen: it runs as another user, or has changed its user (proc_pid_fd(5))',
    next: 'pass the port on which it listens, or run the tests as its user or as root with CAP_SYS_PTRACE',
  })
})

/** Becomes root, as sudo(8) does. Only root and the group of `nobody` can run it. */
async function becomesRoot(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const file = join(directory, 'setpriv')
  const { error, stdout } = spawnSync('sh', ['-c', 'command -v setpriv'], { encoding: 'utf8' })
  if (error !== undefined || stdout === '') context.skip('there is no setpriv(1)')
  await copyFile(stdout.trim(), file)
  for (const path of [directory, file]) await chown(path, 0, 65_534)
  await chmod(directory, 0o750)
  await chmod(file, 0o4750)
  const { stdout: id } = spawnSync(file, ['--reuid=0', 'id', '-u'], { encoding: 'utf8', uid: 65_534, gid: 65_534 })
  if (id !== '0\n') context.skip('no file here gives its user to a program (mount(8), nosuid)')
  return file
}

it('stop() rejects immediately for a program that has changed its user', async (context) => {
  if (whyNotNobody !== undefined) context.skip(whyNotNobody)
  const args = ['--reuid=0', process.execPath, fileURLToPath(new URL('serve-port.mjs', PROGRAMS))]
  const code = `async () => {
    const child = await portside.spawnListening(${JSON.stringify(await becomesRoot(context))}, ${JSON.stringify(args)}, { grace: 50 })
    const { code, owner } = await child.stop().catch((error) => error)
    return { pid: child.child.pid, owned: String(child.owned), code, owner, ended: child.ended }
  }`
  const { pid, ...seen } = (await nobodySees(context, ['programs/start'], code)) as { pid: number }
  onTestFinished(() => void process.kill(pid, 'SIGKILL'))
  expect(seen).toEqual({ owned: 'undefined', code: 'EPERM', owner: `pid ${pid} (node)`, ended: [] })
})
