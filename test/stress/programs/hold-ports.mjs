// Reserves ports, prints them, and holds them until it is killed.
// Settings: { each: [options of reservePort(), ...] }
import { reservePort } from '../../../dist/index.js'

const { each } = JSON.parse(process.argv[2])
const reservations = await Promise.all(each.map((options) => reservePort(options)))
process.stdout.write(`${JSON.stringify(reservations.map(({ endpoints }) => endpoints))}\n`)
// A reservation does not keep the process alive.
setInterval(() => {}, 60_000)
