import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it, type TestContext } from 'vitest'
import { reservePort, reservePorts } from '../../src/index.js'
import { portLockPlace } from '../../src/platform/port-lock.js'
import { lockHolders } from '../../src/ports/lock-holder.js'
import { leavesNothingOpen, needsKernel } from '../support/kernel.js'
import { runInNamespace, whyNoNamespace } from '../support/namespace.js'

leavesNothingOpen()

describe('the holder of a lock', () => {
  it('is this process if it holds the reservation', async (context) => {
    needsKernel(context)
    await using held = await reservePort()
    const error = await reservePort({ port: [held.port] }).catch((error) => error)
    const owner = `this process (pid ${process.pid}) has the lock on port ${held.port}`
    expect(error).toMatchObject({ code: 'EADDRINUSE', owner, owners: [{ pid: process.pid, uid: process.getuid?.() }] })
    expect(error.message).toContain(`\n  owner      ${owner}\n`)
    await expect(reservePorts(1, { port: [held.port] })).rejects.toMatchObject({ code: 'EADDRINUSE', owner })
  })

  it('is a program of the same user that took the name without portside', async (context) => {
    await isNamed(context, process.getuid?.())
  })

  it('is a program of another user', async (context) => {
    if (process.getuid?.() !== 0) context.skip('only root can start a program of another user')
    await isNamed(context, 1234)
  })

  it('is unknown on a system that does not list lock holders', () => {
    expect(lockHolders(3000, 'darwin')).toEqual([])
    expect(lockHolders(3000, 'aix')).toEqual([])
  })
})

async function isNamed(context: TestContext, uid: number | undefined): Promise<void> {
  needsKernel(context)
  const port = await freePort()
  await using squatter = await squat(port, uid)
  const { pid } = squatter
  const error = await reservePort({ port: [port] }).catch((error) => error)
  expect(error).toMatchObject({ code: 'EADDRINUSE', owners: [{ pid, uid }] })
  expect(error.owner).toMatch(new RegExp(`^pid ${pid} \\(node\\S*\\) of user ${uid} has the lock on port ${port}$`))
  await using other = await reservePort({ port })
  expect(other.port).not.toBe(port)
}

async function freePort(): Promise<number> {
  await using reservation = await reservePort()
  return reservation.port
}

/** A program that has bound the lock of a port, as any user can. */
async function squat(
  port: number,
  uid: number | undefined,
): Promise<AsyncDisposable & { readonly pid: number | undefined }> {
  const path = (portLockPlace(port) as { name: string }).name
  const code = `require('node:net').createServer().listen({ path: ${JSON.stringify(path)} }, () => console.log('bound'))`
  const child = spawn(process.execPath, ['-e', code], { ...(uid === undefined ? {} : { uid }), cwd: '/' })
  await once(child.stdout, 'data')
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill()
      await once(child, 'close')
    },
  }
}

describe.skipIf(whyNoNamespace !== undefined)(
  `when another program has all locks (${whyNoNamespace ?? 'possible here'})`,
  () => {
    it('reservations reject without waiting, and name the program', () => {
      const result = JSON.parse(
        runInNamespace(
          'sysctl -qw net.ipv4.ip_local_port_range="40000 40015"',
          `const { default: net } = await import('node:net')
        const { once } = await import('node:events')
        const { reservePort, reservePorts } = await import(process.env.PORTSIDE)
        const { default: getPort } = await import(new URL('ports/get-port.js', process.env.PORTSIDE))
        const { portLockPlace } = await import(new URL('platform/port-lock.js', process.env.PORTSIDE))
        for (let port = 40000; port < 40016; port++) {
          await once(net.createServer().listen({ path: portLockPlace(port).name }), 'listening')
        }
        const failures = []
        for (const attempt of [() => reservePort(), () => reservePorts(2), () => getPort()]) {
          await attempt().catch(({ message, code, owner, cause }) => failures.push({ message, code, owner: owner ?? cause.owner }))
        }
        console.log(JSON.stringify({ failures, pid: process.pid }))
        process.exit()`,
        ),
      )
      const owner = expect.stringMatching(`^this process \\(pid ${result.pid}\\) has the lock on port 400\\d\\d$`)
      expect(result.failures).toEqual([
        { code: 'EADDRINUSE', owner, message: expect.stringContaining('\n  owner      this process') },
        { code: 'EADDRINUSE', owner, message: expect.stringContaining('\n  owner      this process') },
        { message: 'No available ports found', owner },
      ])
    })
  },
)
