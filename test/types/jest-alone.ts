// Not run: compiled with each Jest and each TypeScript, by `npm run consumers`. Nothing here imports Jest.
import { type NetScope, useNet } from 'portside/jest'

exactly<NetScope>()(useNet())
