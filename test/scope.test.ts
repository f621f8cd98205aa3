import { once } from 'node:events'
import net from 'node:net'
import { describe, expect, it } from 'vitest'
import { createScope } from '../src/index.js'
import { leavesNothingOpen } from './support/kernel.js'

leavesNothingOpen()

const SERVER = `require('node:net').createServer((socket) => socket.end()).listen(process.env.PORT)`

describe('a scope', () => {
  it('has every listen function as a method, and closes their servers', async () => {
    const scope = createScope()
    const servers = [
      await scope.listenTcp(),
      await scope.listenTls(),
      await scope.listenHttp(),
      await scope.listenHttps(),
      await scope.listenHttp2(),
      await scope.listenHttp2(undefined, { secure: true }),
      await scope.listenUdp(),
      await scope.listenUnix(),
      await scope.listen(net.createServer()),
    ]
    for (const server of servers) await server.connect()
    await scope.close()
    for (const server of servers) {
      await expect(server.connect()).rejects.toMatchObject({ code: 'ERR_PORTSIDE_SERVER_CLOSED' })
    }
  })

  it('has reservations and programs as methods, and releases them', async () => {
    const scope = createScope()
    const reservation = await scope.reservePort()
    const several = await scope.reservePorts(3)
    const child = await scope.spawnListening(process.execPath, ['-e', SERVER])
    const server = await scope.listenTcp(undefined, { port: reservation })
    expect(server.port).toBe(reservation.port)
    await scope.close()
    expect([reservation.held, several.held]).toEqual([false, false])
    expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' })
    await expect(scope.reservePort()).rejects.toMatchObject({ code: 'ERR_PORTSIDE_SCOPE_CLOSED' })
  })

  it('rejects with the failure of a program', async () => {
    const scope = createScope()
    const failing = `process.once('SIGUSR2', () => { console.error('no config'); process.exit(3) }); ${SERVER}`
    const child = await scope.spawnListening(process.execPath, ['-e', failing])
    process.kill(child.child.pid as number, 'SIGUSR2')
    await child.exited
    await expect(scope.close()).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_CHILD_EXITED',
      exitCode: 3,
      message: expect.stringContaining('no config'),
    })
  })

  it('undoes last in, first out, including deferred undos', async () => {
    const seen: string[] = []
    const scope = createScope()
    scope.defer(() => seen.push('first'))
    const server = await scope.listenTcp()
    server.server.once('close', () => seen.push('server'))
    scope.defer(() => seen.push('last'))
    await scope.close()
    expect(seen).toEqual(['last', 'server', 'first'])
  })

  it('closes once, and rejects every call afterwards', async () => {
    const scope = createScope()
    expect(scope.close()).toBe(scope.close())
    await expect(scope.listenTcp()).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_SCOPE_CLOSED',
      message: expect.stringContaining('call listenTcp() in a scope'),
    })
    expect(() => scope.defer(() => {})).toThrow(expect.objectContaining({ code: 'ERR_PORTSIDE_SCOPE_CLOSED' }))
    expect(() => scope.createSocketPool()).toThrow(expect.objectContaining({ code: 'ERR_PORTSIDE_SCOPE_CLOSED' }))
  })

  it('waits for a server that is still opening, and closes it', async () => {
    const scope = createScope()
    const opening = scope.listenTls()
    await scope.close()
    const server = await opening
    expect(server.server.listening).toBe(false)
  })

  it('forgets an acquisition that failed', async () => {
    const scope = createScope()
    await expect(scope.listenTcp(undefined, { port: -1 })).rejects.toMatchObject({ code: 'ERR_SOCKET_BAD_PORT' })
    await expect(scope.close()).resolves.toBeUndefined()
  })

  it('is closed by the end of an await using block', async () => {
    const closed: string[] = []
    {
      await using scope = createScope()
      scope.defer(() => closed.push('deferred'))
    }
    expect(closed).toEqual(['deferred'])
  })

  it('drains its pools', async () => {
    const scope = createScope()
    const server = await scope.listenTcp()
    const pool = scope.createSocketPool()
    const client = await pool.connect(server.endpoint)
    await scope.close()
    expect(client.destroyed).toBe(true)
  })

  it("does not repeat a handler's error that close() of the server has reported", async () => {
    const scope = createScope()
    const server = await scope.listenTcp(() => {
      throw new Error('boom')
    })
    const client = await server.connect()
    await once(client.resume(), 'close')
    await expect(server.close()).rejects.toMatchObject({ code: 'ERR_PORTSIDE_HANDLER' })
    await expect(scope.close()).resolves.toBeUndefined()
  })

  it("rejects with a handler's error if the server was not closed before", async () => {
    const scope = createScope()
    const server = await scope.listenTcp(() => {
      throw new Error('boom')
    })
    const client = await server.connect()
    await once(client.resume(), 'close')
    await expect(scope.close()).rejects.toMatchObject({ code: 'ERR_PORTSIDE_HANDLER' })
  })

  it('continues after a failure, and rejects with all failures', async () => {
    const seen: string[] = []
    const scope = createScope()
    scope.defer(() => seen.push('reached'))
    scope.defer(() => Promise.reject(new Error('one')))
    scope.defer(() => Promise.reject(new Error('two')))
    await expect(scope.close()).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_UNDO',
      errors: [{ message: 'two' }, { message: 'one' }],
    })
    expect(seen).toEqual(['reached'])
  })

  it('names the stragglers of its servers when asked to reject', async () => {
    const scope = createScope()
    const server = await scope.listenHttp(() => {})
    const answer = fetch(server.url).catch((error) => error)
    await once(server.server, 'request')
    await expect(scope.close({ grace: 20, force: 'reject' })).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_DRAIN',
      stragglers: [{ state: 'active', request: 'GET /' }],
    })
    expect(await answer).toBeInstanceOf(Error)
  })

  it('applies its grace also when the test closes the server itself', async () => {
    const scope = createScope({ grace: 20 })
    const server = await scope.listenHttp(() => {})
    const answer = fetch(server.url).catch((error) => error)
    await once(server.server, 'request')
    await expect(server.close({ force: 'reject' })).rejects.toThrow(
      /: 1 connection was still open after the grace of 20 ms and had to be closed\.\n {2}got {8}- .*\n {2}fix {8}/,
    )
    expect(await answer).toBeInstanceOf(Error)
    await scope.close()
  })

  it.each([undefined, 3, 'later'])('rejects %o as an undo', (undo) => {
    expect(() => createScope().defer(undo as unknown as () => void)).toThrow(/Invalid `undo`: expected a function/)
  })

  it.each([{ grace: -1 }, { grace: '5' }])('rejects the options %o', (options) => {
    expect(() => createScope(options as object)).toThrow(/Invalid `grace`/)
  })
})
