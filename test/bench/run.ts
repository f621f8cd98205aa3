import { drainUnderLoad } from './drain.js'
import { format } from './figure.js'
import { importTime } from './import.js'
import { listenAndClose } from './listen.js'
import { reserveAndRelease } from './reserve.js'
import { trackedAccept } from './tracking.js'

// Figures of this machine, now: ratios within one run, and bars that CI does not enforce.
console.log(`Node ${process.version}, ${process.platform}\n`)
for (const measure of [listenAndClose, reserveAndRelease, drainUnderLoad, trackedAccept, importTime]) {
  for (const figure of await measure()) console.log(format(figure))
}
