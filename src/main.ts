// What `import 'portside'` loads.

import { checkMainPlace } from './runners/main-place.js'

checkMainPlace()

export * from './index.js'
