import { setUpOtherEnvironment } from './jest-other-environment.js'

// A setup file of the preset, for test files with another environment than portside's. It loads the rest only there, because Jest evaluates
// it for each test file.
if (!(Symbol.for('portside.jest-environment') in globalThis)) {
  setUpOtherEnvironment()
}
