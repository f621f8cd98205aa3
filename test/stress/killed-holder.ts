import { once } from 'node:events'
import net from 'node:net'
import { createInterface } from 'node:readline'
import { type Endpoint, loopbackFamilies, reservePort } from '../../dist/index.js'
import { ownNetwork } from './network.js'
import { pickedPorts } from './picked-ports.js'
import { startProgram } from './program.js'
import { check, type Row } from './row.js'
import { tally } from './tally.js'

const PORTS = 20

/** How many of these are on both families. */
const DUAL = 5

/** A killed holder leaves nothing that keeps others from its ports. */
export async function* killedHolder(): AsyncGenerator<Row> {
  const [wish] = await pickedPorts(1)
  const each = Array.from({ length: PORTS }, (_, i) => (i === 0 ? { port: wish } : i <= DUAL ? dual() : {}))
  const holder = startProgram(ownNetwork, 'hold-ports', { each })
  const exited = once(holder, 'exit')
  const early = exited.then(([code]) =>
    Promise.reject(new Error(`hold-ports exited with ${code} before it was killed`)),
  )
  const [line] = await Promise.race([once(createInterface({ input: holder.stdout }), 'line'), early])
  early.catch(() => {})
  const held: Endpoint[][] = JSON.parse(line)
  const meanwhile = await Promise.all(held.map(reserveAgain))
  holder.kill('SIGKILL')
  await exited
  const listened = await Promise.all(held.flat().map(listenOn))
  const afterwards = await Promise.all(held.map(reserveAgain))

  const all = (outcomes: string[], expected: string): boolean => outcomes.every((outcome) => outcome === expected)
  const [got] = held[0] ?? []
  const ends = `${PORTS + each.filter((one) => 'family' in one).length} x had`
  yield check(
    `a running holder: another process reserves its ${PORTS} ports`,
    `${PORTS} x EADDRINUSE`,
    `${tally(meanwhile)}, ${got?.port === wish ? 'with its preferred port' : `without its preferred port ${wish}`}`,
    all(meanwhile, 'EADDRINUSE') && got?.port === wish,
  )
  yield check('it is killed (SIGKILL): others listen immediately', ends, tally(listened), all(listened, 'had'))
  yield check('  and reserve its ports', `${PORTS} x had`, tally(afterwards), all(afterwards, 'had'))
}

const dual = () => (loopbackFamilies().length === 2 ? { family: 'dual' as const } : {})

/** `had`, or the code with which it rejects. */
async function reserveAgain(endpoints: Endpoint[]): Promise<string> {
  const [first] = endpoints
  try {
    await using reservation = await reservePort({
      port: [first!.port],
      family: endpoints.length === 2 ? 'dual' : first!.family,
    })
    return reservation.held ? 'had' : 'not held'
  } catch (error) {
    return (error as { code: string }).code
  }
}

async function listenOn({ address, port }: Endpoint): Promise<string> {
  const server = net.createServer()
  try {
    await once(server.listen(port, address), 'listening')
  } catch (error) {
    return (error as { code: string }).code
  }
  server.close()
  await once(server, 'close')
  return 'had'
}
