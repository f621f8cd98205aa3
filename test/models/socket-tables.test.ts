import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { linuxSockets } from '../../src/socket-table/linux.js'
import { parseLsof } from '../../src/socket-table/macos.js'
import { type SocketEntry, STATES } from '../../src/socket-table/socket-entry.js'
import { parseNetstat, parseTasklist } from '../../src/socket-table/windows.js'

/** The same seed each time; a failure prints its own. */
const PINNED = { seed: 1, numRuns: 300 }

const proc = mkdtempSync(join(tmpdir(), 'proc-'))
mkdirSync(join(proc, 'self/net'), { recursive: true })
afterAll(() => rmSync(proc, { recursive: true, force: true }))

const anything = fc.uint8Array({ maxLength: 2000 }).map((bytes) => Buffer.from(bytes).toString('latin1'))

/** A true line, with some of its characters replaced, left out or doubled. */
const damaged = (line: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(line, fc.array(fc.tuple(fc.nat(200), fc.nat(2), fc.string({ maxLength: 3 })), { maxLength: 4 }))
    .map(([text, edits]) =>
      edits.reduce((left, [at, drop, insert]) => left.slice(0, at) + insert + left.slice(at + drop), text),
    )

const text = (line: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof(
    anything,
    fc.array(fc.oneof(line, damaged(line), anything), { maxLength: 12 }).map((lines) => `${lines.join('\n')}\n`),
  )

const hex = (digits: number) =>
  fc.nat(2 ** Math.min(32, digits * 4) - 1).map((n) => n.toString(16).toUpperCase().padStart(digits, '0'))
const tcpLine = fc
  .tuple(hex(8), hex(4), hex(8), hex(4), fc.constantFrom('01', '06', '0A', 'FF'), fc.nat(), fc.nat())
  .map(
    ([here, port, there, peer, state, uid, inode]) =>
      `   0: ${here}:${port} ${there}:${peer} ${state} 00000000:00000000 00:00000000 00000000 ${uid} 0 ${inode} 1 0 100 0 0 10 0`,
  )
const lsofLine = fc
  .tuple(fc.constantFrom('IPv4', 'IPv6', 'unix', 'x'), fc.constantFrom('TCP', 'UDP', ''), fc.string(), fc.nat(99_999))
  .map(
    ([type, protocol, name, pid]) =>
      `p${pid}\0cnode\0u501\0\nf3\0t${type}\0d0x1\0P${protocol}\0n${name}:80\0TST=LISTEN\0`,
  )
const netstatLine = fc
  .tuple(fc.ipV4(), fc.nat(70_000), fc.string({ maxLength: 20 }), fc.nat())
  .map(([address, port, state, pid]) => `  TCP    ${address}:${port}    0.0.0.0:0    ${state}    ${pid}`)
const tasklistLine = fc.tuple(fc.string(), fc.nat()).map(([name, pid]) => `"${name}","${pid}","Console","1","12 K"`)

describe('a socket table of any bytes', () => {
  it('is read on Linux without an error, and gives only true entries', () => {
    fc.assert(
      fc.property(text(tcpLine), fc.constantFrom('tcp', 'tcp6', 'udp', 'unix'), (table, file) => {
        for (const name of ['tcp', 'tcp6', 'udp', 'udp6', 'unix']) {
          writeFileSync(join(proc, 'self/net', name), name === file ? table : '', 'latin1')
        }
        for (const entry of linuxSockets({}, proc)) expectTrue(entry)
      }),
      PINNED,
    )
  })

  it('is read on macOS without an error, and gives only true entries', () => {
    fc.assert(
      fc.property(text(lsofLine), (output) => {
        for (const entry of parseLsof(output)) expectTrue(entry)
      }),
      PINNED,
    )
  })

  it('is read on Windows without an error, and gives only true entries', () => {
    fc.assert(
      fc.property(text(netstatLine), text(tasklistLine), (output, list) => {
        for (const entry of parseNetstat(output)) expectTrue(entry)
        for (const [pid, name] of parseTasklist(list))
          expect([Number.isInteger(pid), name !== '']).toEqual([true, true])
      }),
      PINNED,
    )
  })
})

function expectTrue({ protocol, state, local, remote, inode, uid }: SocketEntry): void {
  const ends = [local, remote].flatMap((end) => (typeof end === 'object' ? [end] : []))
  const numbers = [inode, uid].filter((number) => number !== undefined)
  if (!['tcp', 'udp', 'unix'].includes(protocol) || !STATES.includes(state)) throw new Error(`${protocol} ${state}`)
  if (ends.some(({ port, address }) => !(port >= 0 && port < 65_536) || address === '')) throw new Error(`${ends}`)
  if (!numbers.every((number) => Number.isInteger(number) && number >= 0)) throw new Error(`${numbers}`)
}
