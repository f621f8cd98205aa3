// Not run: compiled with each Vitest and each TypeScript, by `npm run consumers`.
import type net from 'node:net'
import type { ScopeOptions, TestServer } from 'portside'
import { install, it, matchers, type NetMatchers, type NetScope, type RunnerOptions, test } from 'portside/vitest'
import { expect, type ProvidedContext, test as vitestTest } from 'vitest'

declare const error: Error
declare const failing: Promise<never>
declare const server: net.Server

exactly<void>()(expect(error).toBeConnectionRefused())
exactly<void>()(expect(error).toBeAddressInUse())
exactly<void>()(expect(error).toBeConnectionReset())
exactly<void>()(expect(error).toBeConnectionTimedOut())
exactly<void>()(expect(error).toBeAddressNotAvailable())
exactly<void>()(expect(error).toBePermissionDenied())
exactly<void>()(expect(error).toBeBrokenPipe())
exactly<void>()(expect(error).toBeHostUnreachable())
exactly<void>()(expect(error).toBeNetworkUnreachable())
exactly<void>()(expect(error).toBeTooManyOpenFiles())
exactly<void>()(expect(error).toBeEphemeralPortsExhausted())
exactly<void>()(expect(error).not.toBeConnectionRefused({ port: 1, address: '127.0.0.1', family: 'IPv4' }))
exactly<Promise<void>>()(expect(failing).rejects.toBeAddressInUse({ port: 1 }))
exactly<Promise<void>>()(expect(failing).resolves.not.toBeListening())
exactly<void>()(expect(server).toHaveOpenSockets(1))
exactly<Promise<void>>()(expect(server).toAcceptConnections())
exactly<Promise<void>>()(expect(server).not.toBeReleased())
exactly<Promise<void>>()(expect(server).toBeReleased({ protocol: 'udp' }))
expect({ error }).toEqual({ error: expect.toBeConnectionRefused({ port: 1 }) })
expect({ error }).toEqual({ error: expect.not.toBeConnectionReset() })

// @ts-expect-error: expects an endpoint, not a number.
expect(error).toBeConnectionRefused(1)
// @ts-expect-error: a port is a number.
expect(failing).rejects.toBeAddressInUse({ port: '1' })
// @ts-expect-error: expects a count.
expect(server).toHaveOpenSockets()
// @ts-expect-error: an unknown matcher.
expect(error).toBeSomethingElse()
// @ts-expect-error: an unknown matcher.
expect.toBeSomethingElse()

// Vitest's own matchers are unchanged.
exactly<void>()(expect(1).toBe(1))
exactly<Promise<void>>()(expect(failing).rejects.toThrow('gone'))

expect.extend(matchers)
exactly<void>()(install())
exactly<void>()(install({ leaks: { mode: 'warn', ignore: [{ package: 'pg', function: /connect/ }], kernel: false } }))
exactly<void>()(install({ leaks: 'off' }))
// @ts-expect-error: expects a rule, not a name.
install({ leaks: { ignore: ['pg'] } })
// @ts-expect-error: expects one of three modes.
install({ leaks: { mode: 'loud' } })
declare const provided: NonNullable<ProvidedContext['portside']>
exactly<RunnerOptions>()(provided)
declare const listed: keyof NetMatchers
exactly<keyof typeof matchers>()(listed)

test('a scope', async ({ net, netOptions, expect: own, task }) => {
  exactly<NetScope>()(net)
  exactly<ScopeOptions>()(netOptions)
  exactly<string>()(task.name)
  exactly<void>()(own(await net.listenTcp()).toBeListening())
})
// @ts-expect-error: an unknown fixture.
test('no such fixture', ({ somethingElse }) => exactly<never>()(somethingElse))
// @ts-expect-error: Vitest's own test has no net.
vitestTest('no net', ({ net }) => exactly<never>()(net))

test.extend({ netOptions: { grace: 100 } })('options of its own', ({ net }) => exactly<NetScope>()(net))

const greeting = it.extend<{ greeter: TestServer }>({
  greeter: async ({ net }, use) => use(await net.listenTcp()),
})
greeting.concurrent('a fixture on top', ({ greeter, net }) => {
  exactly<TestServer>()(greeter)
  exactly<NetScope>()(net)
})
