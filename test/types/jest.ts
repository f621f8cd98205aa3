// Not run: compiled with each Jest and each TypeScript, by `npm run consumers`; without this import with @types/jest.

import type net from 'node:net'
import { expect, test } from '@jest/globals'
import { install, matchers, type NetMatchers, type NetScope, useNet } from 'portside/jest'
import TestEnvironment, { TestEnvironment as Named } from 'portside/jest-environment'
import * as preset from 'portside/jest-preset'

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
// @ts-expect-error: toEqual() does not wait for a promise.
expect({ server }).toEqual({ server: expect.not.toBeReleased() })

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

// Jest's own matchers are unchanged.
exactly<void>()(expect(1).toBe(1))
exactly<Promise<void>>()(expect(failing).rejects.toThrow('gone'))

expect.extend(matchers)
exactly<void>()(install(expect))
declare const listed: keyof NetMatchers
exactly<keyof typeof matchers>()(listed)

const scope = useNet({ grace: 100 })
exactly<NetScope>()(scope)
test('a scope', async () => {
  exactly<void>()(expect(await scope.listenTcp()).toBeListening())
})
// @ts-expect-error: expects milliseconds.
useNet({ grace: '100' })

exactly<string[]>()(preset.setupFilesAfterEnv)
exactly<string>()({ ...preset, testMatch: ['**/*.test.js'] }.testEnvironment)

exactly<typeof TestEnvironment>()(Named)
class OwnEnvironment extends TestEnvironment {
  override async handleTestEvent(event: Parameters<Named['handleTestEvent']>[0], state: unknown): Promise<void> {
    await super.handleTestEvent(event, state)
  }
}
exactly<(event: Parameters<Named['handleTestEvent']>[0], state: unknown) => Promise<void>>()(
  OwnEnvironment.prototype.handleTestEvent,
)
