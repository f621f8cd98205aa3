// Asks the process table, the file system and the kernel what users of portside have left. The users have this TMPDIR.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Programs with this folder in their environment, as `pid: command`. */
export function processesOf(folder) {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return []
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'utf8').includes(folder)) return []
      // A zombie has no command line.
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      return command === '' ? [] : [`${pid}: ${command.slice(0, 80)}`]
    } catch {
      // It has exited, or belongs to another user.
      return []
    }
  })
}

/** Files, folders and mounts in this folder. */
export function filesOf(folder) {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  return [
    ...readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)).slice(folder.length + 1)),
    ...mounts.filter((line) => line.includes(folder)),
  ]
}

const STATES = { '01': 'ESTABLISHED', '06': 'TIME_WAIT', '08': 'CLOSE_WAIT', '0A': 'LISTEN' }

/** Every socket of this network, as `tcp LISTEN 0100007F:9C41`. */
export function socketsOfNetwork() {
  const found = []
  for (const table of ['tcp', 'tcp6', 'udp', 'udp6']) {
    for (const line of linesOf(table)) {
      const [, local, , state] = line
      found.push(table.startsWith('udp') ? `${table} ${local}` : `${table} ${STATES[state] ?? state} ${local}`)
    }
  }
  // Sockets without a name are pipes of this program and its children.
  for (const [, , , , , , , name] of linesOf('unix')) if (name !== undefined) found.push(`unix ${name}`)
  return found
}

function linesOf(table) {
  try {
    const [, ...lines] = readFileSync(`/proc/self/net/${table}`, 'utf8').trim().split('\n')
    return lines.map((line) => line.trim().split(/\s+/))
  } catch {
    // Without IPv6 this table does not exist.
    return []
  }
}
