import { expect, it } from 'vitest'
import { describeErrno, saysAddressAbsent } from '../../src/platform/errno.js'

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
