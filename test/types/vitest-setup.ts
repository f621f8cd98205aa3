// Not run: compiled with each Vitest and each TypeScript, by `npm run consumers`.
import 'portside/vitest/setup'
import { expect } from 'vitest'

exactly<void>()(expect(new Error()).toBeConnectionRefused())
