import type { ConnectionOutcome } from '../../../src/index.js'
import type { OpenAtCall, Played } from './play.js'
import type { Seen, SeenConnection, SeenRequest } from './seen.js'
import type { Accepted } from './server.js'

/** A promise that a schedule breaks. */
export interface Complaint {
  readonly kind: string
  readonly detail: string
}

/** Milliseconds of the event loop allowed beyond the deadline. Time in which other processes ran, or code blocked the loop, is not counted. */
const SLACK = 150

/** Milliseconds by which a note and its event may differ. */
const CLOCKS = 2

/** Compares the observations with the promises of docs/sockets.md and the README. */
export function judge(played: Played): Complaint[] {
  if (played.hung) return [{ kind: 'hang', detail: `close() had not settled ${played.took} ms after it was called` }]
  return [
    ...settling(played),
    ...totals(played),
    ...clients(played, false),
    ...clients(played, true),
    ...servers(played),
  ]
}

function* settling({ took, passed, deadline, lag, failure, unclosed, listening }: Played): Generator<Complaint> {
  if (failure !== undefined) yield { kind: 'close-failed', detail: failure }
  const late = passed - deadline - SLACK
  if (late > 0)
    yield {
      kind: 'late',
      detail: `${Math.round(late)} ms; took ${Math.round(took)} of ${deadline}, of which ${Math.round(passed)} passed for the event loop; longest lag ${Math.round(lag)}`,
    }
  if (unclosed.length > 0) yield { kind: 'socket-open', detail: `${unclosed.length} after close(): ${unclosed[0]}` }
  if (listening) yield { kind: 'listening', detail: 'after close()' }
}

const portOf = (end: ConnectionOutcome['remote']): number => (typeof end === 'object' ? end.port : 0)

/** The report names each open connection once, and no other. */
function* totals({ report, accepted, open, calledAt }: Played): Generator<Complaint> {
  if (report === undefined) return
  const { outcomes, closed, destroyed, reset } = report
  if (closed + destroyed + reset !== outcomes.length)
    yield { kind: 'totals', detail: 'the counts do not match the outcomes' }
  const least = open.filter((each) => !each.destroyed).length
  const later = accepted.filter(
    (each) => !open.some((one) => one.accepted === each) && (each.closedAt === undefined || each.closedAt >= calledAt),
  )
  const most = open.length + later.length
  if (outcomes.length < least || outcomes.length > most) {
    yield { kind: 'totals', detail: `${outcomes.length} outcomes of ${least} to ${most} connections` }
  }
  const ports = outcomes.map(({ remote }) => portOf(remote)).filter((port) => port !== 0)
  if (new Set(ports).size < ports.length) yield { kind: 'named-twice', detail: ports.join(' ') }
  for (const {
    accepted: { port },
    destroyed,
  } of open) {
    if (port !== 0 && !destroyed && !ports.includes(port))
      yield { kind: 'not-named', detail: `the connection from ${port}` }
  }
}

/** The server's view of a client's connection. */
interface Matched {
  readonly connection: SeenConnection | undefined
  readonly accepted: Accepted | undefined
  readonly atCall: OpenAtCall | undefined
  readonly outcome: ConnectionOutcome | undefined
  /** Force was used on it, or on a connection that cannot be matched. */
  readonly forced: boolean
}

function match({ accepted, open, report }: Played, connection: SeenConnection | undefined, of?: Accepted): Matched {
  const own = of ?? (connection?.port ? accepted.find(({ port }) => port === connection.port) : undefined)
  const outcomes = report?.outcomes ?? []
  const named = own?.port ? outcomes.filter(({ remote }) => portOf(remote) === own.port) : []
  const unnamed = outcomes.filter(({ remote }) => portOf(remote) === 0)
  return {
    connection,
    accepted: own,
    atCall: open.find((each) => each.accepted === own),
    outcome: named[0],
    forced: [...named, ...unnamed].some(({ outcome }) => outcome !== 'closed'),
  }
}

/** A plain HTTPS server of Node also fails with this on pipelined requests with large responses. */
const brokenByNode = ({ accepted }: Matched): boolean => accepted?.error === 'HPE_PAUSED'

function* clients(played: Played, foreign: boolean): Generator<Complaint> {
  const { connections, requests } = foreign ? played.foreign : played.own
  const where = foreign ? ', foreign' : ''
  const excused = new Set<SeenConnection>()
  for (const request of requests) {
    const begun = played.begun.get(request.id)
    const seen = request.connection === undefined ? undefined : connections[request.connection]
    const connection = seen ?? connections.find(({ port }) => port !== 0 && port === begun?.accepted?.port)
    const matched = match(played, connection, begun?.accepted)
    if (request.answered || connection?.own !== undefined || matched.forced || brokenByNode(matched)) continue
    const complaint = begun === undefined ? unbegun(request, matched, foreign) : lost(played, request, matched)
    // This complaint is not repeated below. A request without an owed answer ends in an error.
    if (connection !== undefined) excused.add(connection)
    if (complaint !== undefined) yield { kind: complaint.kind + where, detail: complaint.detail }
  }
  for (const connection of connections) {
    const matched = match(played, connection)
    // A TLS socket of node:http2 does not always emit 'close' when its peer cuts it (also without portside).
    const cut = played.schedule.protocol === 'h2' && matched.forced
    // If another process connects while the listener closes, the kernel may leave that connection without an end at the server.
    const late = foreign && matched.accepted === undefined && (connection.connectedAt ?? 0) > played.calledAt - CLOCKS
    if (!connection.closed && !cut && !late)
      yield { kind: `client-open${where}`, detail: describe(connection, matched) }
    if (connection.own !== undefined || matched.forced || excused.has(connection) || brokenByNode(matched)) continue
    const fault = broken(played, connection, matched, foreign)
    if (fault !== undefined) yield { kind: fault + where, detail: describe(connection, matched) }
  }
}

function lost({ calledAt }: Played, request: SeenRequest, matched: Matched): Complaint {
  const { accepted, connection, outcome } = matched
  const before = (accepted?.closedAt !== undefined && accepted.closedAt < calledAt) || matched.atCall?.destroyed
  const kind = before ? 'lost-before-close' : outcome === undefined && accepted?.port !== 0 ? 'lost-not-named' : 'lost'
  return {
    kind,
    detail: `${request.id} ${request.error ?? ''}: ${connection ? describe(connection, matched) : 'no connection'}`,
  }
}

/** A request that no handler has begun. It is owed if its first byte had arrived when close() was called, or if both ends are in one process. */
function unbegun(request: SeenRequest, matched: Matched, foreign: boolean): Complaint | undefined {
  const { atCall, outcome, connection } = matched
  if (outcome === undefined || connection === undefined) return
  const detail = `${request.id} ${request.error ?? ''}: ${describe(connection, matched)}`
  // The bytes of a handshake are not a head.
  const handshake = outcome.state === 'tls-handshake'
  if (!handshake && request.start !== undefined && atCall !== undefined && request.start < atCall.plain)
    return { kind: 'partial-head', detail }
  if (request.writtenAt === undefined || connection.toldToClose) return
  const { endedAt } = connection
  if (!foreign && (endedAt === undefined || request.writtenAt < endedAt - CLOCKS)) return { kind: 'unread', detail }
}

/** An error within the grace, or bytes that did not arrive. */
function broken(
  { calledAt, schedule }: Played,
  connection: SeenConnection,
  matched: Matched,
  foreign: boolean,
): string | undefined {
  const { atCall, outcome, accepted } = matched
  const { error } = connection
  if (error !== undefined) {
    if (connection.connectedAt === undefined) return
    if (accepted === undefined)
      return connection.connectedAt < calledAt - CLOCKS && connection.port !== 0 ? `queue-reset ${error}` : undefined
    // A FIN closes a handshake that had not begun, which is an error for its client.
    const handshake = outcome?.state === 'tls-handshake' && !connection.secured
    if (handshake && (atCall?.raw ?? 0) === 0) return
    // Bytes after the FIN are not owed an answer.
    if (foreign && outcome !== undefined && connection.written > outcome.bytesRead) return
    if (outcome === undefined && connection.port === 0) return `client-error ${error}`
    return outcome === undefined && connection.connectedAt > calledAt - CLOCKS ? undefined : `client-error ${error}`
  }
  const bytes = schedule.protocol === 'net' || schedule.protocol === 'tls' || connection.upgraded
  if (bytes && outcome !== undefined && connection.read < outcome.bytesWritten) return 'short'
}

/** Errors at the accepted ends of clients that behaved well. */
function* servers(played: Played): Generator<Complaint> {
  for (const [seen, where] of [
    [played.own, ''],
    [played.foreign, ', foreign'],
  ] as const) {
    for (const connection of seen.connections) {
      const matched = match(played, connection)
      const { accepted, outcome, forced } = matched
      if (accepted === undefined || connection.own !== undefined || connection.reset || forced || brokenByNode(matched))
        continue
      const code = (outcome?.error as { code?: string } | undefined)?.code ?? outcome?.error?.message ?? accepted.error
      // The rest of a head that was not owed an answer, or that has its own complaint.
      const head =
        code === 'HPE_INVALID_EOF_STATE' && seen.requests.some((request) => isLeft(request, connection, seen))
      // A client that closes when it has its answer has not read the alert that ends TLS, so its kernel resets.
      const alert = code === 'ECONNRESET' && played.schedule.protocol === 'https' && connection.error === undefined
      if (code !== undefined && !head && !alert)
        yield { kind: `server-error ${code}${where}`, detail: describe(connection, matched) }
    }
  }
}

/** A request of this connection that the client could write only in part. */
const isLeft = ({ connection, writtenAt }: SeenRequest, of: SeenConnection, { connections }: Seen): boolean =>
  connection === connections.indexOf(of) && writtenAt === undefined

function describe(connection: SeenConnection, { outcome, accepted, atCall }: Matched): string {
  const { client, port, written, read, error, closed, own, endedAt, secured } = connection
  return JSON.stringify({
    client,
    port,
    written,
    read,
    error,
    closed,
    own,
    secured,
    ended: endedAt !== undefined,
    accepted: accepted !== undefined,
    readAtCall: atCall?.plain,
    state: outcome?.state,
    outcome: outcome?.outcome,
    bytesRead: outcome?.bytesRead,
    bytesWritten: outcome?.bytesWritten,
  })
}
