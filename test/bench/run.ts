import { drainUnderLoad } from './drain.js'
import { format } from './figure.js'
import { importTime } from './import.js'
import { leakCheck } from './leaks.js'
import { listenAndClose } from './listen.js'
import { privateNetworks } from './namespaces.js'
import { startAndStop } from './programs.js'
import { reserveAndRelease } from './reserve.js'
import { findOwner, passingAssertion, readTable } from './socket-table.js'
import { trackedAccept } from './tracking.js'

// Figures of this machine, now: ratios within one run, and bars that CI does not enforce.
console.log(`Node ${process.version}, ${process.platform}\n`)
const MEASURES = [
  listenAndClose,
  reserveAndRelease,
  drainUnderLoad,
  trackedAccept,
  leakCheck,
  readTable,
  findOwner,
  passingAssertion,
  importTime,
  privateNetworks,
  startAndStop,
]
for (const measure of MEASURES) {
  for (const figure of await measure()) console.log(format(figure))
}
