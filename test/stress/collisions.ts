import { type Network, ownNetwork, privateNetwork } from './network.js'
import { runTogether } from './program.js'
import { check, information, type Row, skipped } from './row.js'
import { tally } from './tally.js'

type Library = 'portside' | 'portside/get-port' | 'get-port'

const LANES = 4
const EACH = 10

/** Longest time from getting a port to listening on it, and from there to closing, in milliseconds. */
const LONGEST = 100

/**
 * Many take a port, wait and listen on it. Meanwhile no other taker and no outgoing connection may get the port.
 * get-port, which holds no port, shows that this run detects collisions.
 */
export async function* collisions(): AsyncGenerator<Row> {
  for (const network of [ownNetwork, privateNetwork(3000), privateNetwork(1000)]) {
    yield await together('portside', network, 48, 'processes')
    yield await together('portside', network, 16, 'threads')
    yield await together('portside/get-port', network, 48, 'processes')
    yield await together('get-port', network, 48, 'processes')
  }
}

async function together(library: Library, network: Network, count: number, as: 'processes' | 'threads'): Promise<Row> {
  const what = `${library}, ${count} ${as} x ${LANES * EACH}, ${network.name}`
  if (network.why !== undefined) return skipped(what, network.why)
  const asked = count * LANES * EACH
  const [first, last] = network.range
  if (library === 'portside/get-port' && asked > last - first) {
    return skipped(what, `it keeps ${asked} ports for 30 s, and there are ${last - first + 1}`)
  }
  const settings = { library, lanes: LANES, each: EACH, longest: LONGEST }
  const [found = []] = await runTogether<Found>(network, { program: 'take-and-listen', count, as, settings })
  const takings = found.flatMap((one) => one.takings.map(spanOf))
  const dials = found.flatMap((one) => one.dials.map(spanOf))
  const failures = [...found.flatMap((one) => one.failures), ...takings.flatMap(({ code }) => otherThanInUse(code))]
  const unconnected = found.flatMap((one) => one.unconnected)
  const collided = takings.filter(({ code }) => code === 'EADDRINUSE').length
  const twice = overlaps(takings, takings)
  const dialled = overlaps(takings, dials)
  const counts = [
    `${collided} of ${takings.length} collide`,
    `${twice} had by two`,
    `${dialled} of ${dials.length} connects from one`,
    `${mostAtOnce(takings)} at once`,
    ...(failures.length > 0 ? [`failed: ${tally(failures)}`] : []),
    ...(unconnected.length > 0 ? [`dials failed: ${tally(unconnected)}`] : []),
  ].join(', ')
  if (library === 'get-port') return information(what, counts)
  const ok = takings.length === asked && collided + twice + dialled + failures.length === 0
  return check(what, `0 of ${asked}, 0, 0`, counts, ok)
}

/** The result of one process or thread. Spans are `[port, from, to, code of listen]`. */
interface Found {
  readonly takings: Tuple[]
  readonly failures: string[]
  readonly dials: Tuple[]
  readonly unconnected: string[]
}

type Tuple = [port: number, from: number, to: number, code?: string]

interface Span {
  readonly port: number
  readonly from: number
  readonly to: number
  readonly code: string
}

const spanOf = ([port, from, to, code = '']: Tuple): Span => ({ port, from, to, code })

const otherThanInUse = (code: string): string[] => (code === '' || code === 'EADDRINUSE' ? [] : [`listen: ${code}`])

/** How many spans of the others overlap with one of these on the same port. A span does not overlap with itself. */
function overlaps(spans: Span[], others: Span[]): number {
  const byPort = new Map<number, Span[]>()
  for (const span of spans) byPort.set(span.port, [...(byPort.get(span.port) ?? []), span])
  return others.filter((other) =>
    byPort.get(other.port)?.some((span) => span !== other && span.from < other.to && other.from < span.to),
  ).length
}

function mostAtOnce(spans: Span[]): number {
  const steps = spans.flatMap(({ from, to }) => [
    { at: from, by: 1 },
    { at: to, by: -1 },
  ])
  let [now, most] = [0, 0]
  for (const { by } of steps.sort((a, b) => a.at - b.at)) most = Math.max(most, (now += by))
  return most
}
