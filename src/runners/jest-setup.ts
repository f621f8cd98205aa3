import { setUpOtherEnvironment } from './jest-other-environment.js'

// A setup file of the preset, for test files that have another environment than that of portside, which does all by itself. It loads
// nothing before that is known: Jest evaluates it anew for each test file.
if (!(Symbol.for('portside.jest-environment') in globalThis)) {
  setUpOtherEnvironment()
}
