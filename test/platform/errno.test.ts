import { expect, it } from 'vitest'
import {
  describeErrno,
  saysAddressAbsent,
  saysExhaustedAsAbsent,
  saysNoPortLeft,
  saysTupleTaken,
} from '../../src/platform/errno.js'

it("returns the system's sentence for a code", () => {
  expect(describeErrno('EADDRINUSE')).toBe('address already in use')
  expect(describeErrno('ERR_SOCKET_BAD_PORT')).toBeUndefined()
})

it('distinguishes an absent address from other codes', () => {
  expect(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EADDRINUSE', undefined].map(saysAddressAbsent)).toEqual([
    true,
    true,
    false,
    false,
  ])
})

it.each([
  ['linux', false, false],
  ['android', false, false],
  ['darwin', true, true],
  ['freebsd', true, true],
  ['win32', true, false],
] as const)(
  'knows how the kernel of %s answers for a taken tuple and an exhausted range',
  (platform, tuple, absent) => {
    expect([saysTupleTaken(platform), saysExhaustedAsAbsent(platform)]).toEqual([tuple, absent])
    expect([saysNoPortLeft('EADDRNOTAVAIL', platform), saysNoPortLeft('EADDRINUSE', platform)]).toEqual([absent, true])
  },
)
