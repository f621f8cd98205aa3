import { openSockets, tcpEntries } from '../../support/kernel.js'
import type { Complaint } from './judge.js'
import type { Played } from './play.js'

/** The sockets that the kernel still holds after schedules are over: listeners, open connections, and TIME_WAITs that should not exist. */
export function leftInKernel(all: readonly Played[]): Map<Played, Complaint[]> {
  const left = new Map<Played, Complaint[]>()
  // Other processes may have got a port meanwhile.
  const own = new Set(openSockets().map(({ inode }) => inode))
  const byPort = new Map(all.filter(({ port }) => port !== 0).map((played) => [played.port, played]))
  for (const { state, local, remote, inode } of tcpEntries()) {
    const played = byPort.get(local.port) ?? byPort.get(remote.port)
    if (played === undefined) continue
    const atServer = played.port === local.port
    const complain = (kind: string): void => {
      const complaint = { kind, detail: `${state} ${local.port} -> ${remote.port}` }
      left.set(played, [...(left.get(played) ?? []), complaint])
    }
    if (own.has(inode)) complain(state === 'LISTEN' ? 'kernel: listener' : 'kernel: open')
    else if (state === 'TIME_WAIT') {
      const port = atServer ? remote.port : local.port
      if (promisesNone(played, port)) complain('kernel: TIME_WAIT')
    }
  }
  return left
}

/** Both ends are in this process, the drain closed them, and the client ended nothing itself. */
function promisesNone({ own, report }: Played, port: number): boolean {
  const connection = own.connections.find((each) => each.port === port)
  const outcome = report?.outcomes.find(({ remote }) => typeof remote === 'object' && remote.port === port)
  return connection !== undefined && connection.own === undefined && outcome?.outcome === 'closed'
}
