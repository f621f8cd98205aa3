// The module that `import 'portside'` loads.

import { readAhead } from './read-ahead.js'
import { checkMainPlace } from './runners/main-place.js'

checkMainPlace()
// Before a test can use up the descriptors.
readAhead()

export * from './index.js'
