// What the end of a file looks for only if there is a reason to. One module, so that it is one file of the build.
export { findAlive } from './alive.js'
export { findRedials } from './find-redials.js'
