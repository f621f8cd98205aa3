import { expect, it } from 'vitest'
import { whyCodeIsLost } from '../../src/platform/lost-codes.js'

it('knows the code that Deno does not report', () => {
  expect(whyCodeIsLost('EADDRNOTAVAIL', 'Deno')).toContain('Deno reports EADDRNOTAVAIL as EINVAL')
  expect(whyCodeIsLost('EADDRINUSE', 'Deno')).toBeUndefined()
  expect(whyCodeIsLost('EADDRNOTAVAIL', 'Node')).toBeUndefined()
  expect(whyCodeIsLost('EADDRNOTAVAIL', 'Bun')).toBeUndefined()
})
