import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { SocketEntry } from '../../src/socket-table/socket-entry.js'
import { parseNetstat, parseTasklist, readSocketTableWindows } from '../../src/socket-table/windows.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

const pathOf = (name: string): string => join(import.meta.dirname, '../../fixtures/captures', name)
const captureOf = (name: string, encoding: BufferEncoding = 'latin1'): string => readFileSync(pathOf(name), encoding)
const netstat = captureOf('netstat-windows.txt')
const tasklist = captureOf('tasklist-windows.txt')

const GONE = 'no process has it any more'
const KEPT = 'no process has it any more: the kernel keeps it in TIME_WAIT'

describe('parseNetstat', () => {
  it('reads the capture of an English Windows', () => {
    expect(parseNetstat(netstat).map(brief)).toEqual([
      'tcp LISTEN 0.0.0.0 135, 1060',
      'tcp LISTEN 0.0.0.0 3001, 7120',
      'tcp LISTEN 127.0.0.1 3000, 7120',
      'tcp ESTABLISHED 127.0.0.1 3000 > 127.0.0.1 52111, 7120',
      `tcp TIME_WAIT 127.0.0.1 3000 > 127.0.0.1 52112, ${KEPT}`,
      'tcp CLOSE_WAIT 127.0.0.1 3000 > 127.0.0.1 52113, 7120',
      'tcp SYN_RECV 127.0.0.1 3000 > 127.0.0.1 52114, 7120',
      'tcp LAST_ACK 127.0.0.1 3000 > 127.0.0.1 52115, 7120',
      'tcp CLOSING 127.0.0.1 3000 > 127.0.0.1 52116, 7120',
      'tcp CLOSE 127.0.0.1 3000 > 127.0.0.1 52117, 7120',
      'tcp ESTABLISHED 127.0.0.1 52111 > 127.0.0.1 3000, 7344',
      `tcp FIN_WAIT2 127.0.0.1 52113 > 127.0.0.1 3000, ${GONE}`,
      'tcp FIN_WAIT1 127.0.0.1 52118 > 127.0.0.1 3000, 7344',
      'tcp SYN_SENT 127.0.0.1 52119 > 127.0.0.1 3004, 7344',
      'tcp CLOSE 127.0.0.1 52120, 7344',
      'tcp UNKNOWN 127.0.0.1 52121 > 127.0.0.1 3000, 7344',
      'tcp LISTEN 192.168.1.5 139, 4',
      'tcp LISTEN :: 135, 1060',
      'tcp LISTEN :: 3001, 7120',
      'tcp LISTEN ::1 3002, 7120',
      'tcp ESTABLISHED ::1 3002 > ::1 52130, 7120',
      'tcp ESTABLISHED 127.0.0.1 3001 > 127.0.0.1 52131, 7120',
      'tcp LISTEN fe80::b1d7:da26:3873:fc51%12 3005, 7120',
      'tcp ESTABLISHED 2001:db8:0:12:f0d3:86ab:1c2d:9e01 52132 > 2001:db8:4860:4802:32::75 443, 7344',
      'udp UNCONN 0.0.0.0 5353, 2204',
      'udp UNCONN 127.0.0.1 5400, 7120',
      'udp ESTABLISHED 127.0.0.1 52300 > 127.0.0.1 5400, 7344',
      'udp UNCONN :: 5353, 2204',
      'udp UNCONN fe80::b1d7:da26:3873:fc51%12 1900, 2960',
    ])
  })

  it.each([
    ['French', ['LISTENING', 'ESTABLISHED', 'TIME_WAIT', 'SYN_SENT']],
    ['Spanish', ['ESCUCHANDO', 'ESTABLECIDO', 'TIME_WAIT', 'SYN_ENVIADO']],
    [
      'Russian in a code page of one byte',
      ['\x8f\x90\x8e\x91\x8b\x93\x98', '\x93\x91\x92\x80\x8d', '\x8e\x86\x88', '\x91'],
    ],
    ['words with a blank', ['EN ATTENTE', 'EN COURS', 'EN FIN', 'EN DEBUT']],
  ] as const)('knows a listener and TIME_WAIT by their shape: %s', (_language, [listens, connected, waits, other]) => {
    const output = [
      `  TCP    127.0.0.1:3000    0.0.0.0:0          ${listens}    7120`,
      `  TCP    [::1]:3000        [::]:0             ${listens}    7120`,
      `  TCP    127.0.0.1:3000    127.0.0.1:52111    ${connected}    7120`,
      `  TCP    127.0.0.1:3000    127.0.0.1:52112    ${waits}    0`,
      `  TCP    [::1]:3000        [::1]:52112        ${waits}    0`,
      `  TCP    127.0.0.1:52119   127.0.0.1:3004     ${other}    7344`,
      '',
    ].join('\r\n')
    const found = parseNetstat(output)
    expect(found.map(({ pid }) => pid)).toEqual([7120, 7120, 7120, undefined, undefined, 7344])
    expect(found.filter(({ state }) => state === 'LISTEN')).toHaveLength(2)
    expect(found.filter(({ state }) => state === 'TIME_WAIT').map(({ pid }) => pid)).toEqual([undefined, undefined])
  })

  it.each(['latin1', 'utf8'] as const)('reads the capture of a German Windows, as %s', (encoding) => {
    expect(parseNetstat(captureOf('netstat-windows-de.txt', encoding)).map(brief)).toEqual([
      'tcp LISTEN 0.0.0.0 135, 1060',
      'tcp LISTEN 127.0.0.1 3000, 7120',
      'tcp UNKNOWN 127.0.0.1 3000 > 127.0.0.1 52111, 7120',
      `tcp TIME_WAIT 127.0.0.1 3000 > 127.0.0.1 52112, ${KEPT}`,
      'tcp UNKNOWN 127.0.0.1 3000 > 127.0.0.1 52113, 7120',
      'tcp UNKNOWN 127.0.0.1 52113 > 127.0.0.1 3000, 7344',
      'tcp UNKNOWN 127.0.0.1 52119 > 127.0.0.1 3004, 7344',
      'tcp LAST_ACK 127.0.0.1 52120 > 127.0.0.1 3000, 7344',
      'tcp LISTEN ::1 3002, 7120',
      'udp UNCONN 0.0.0.0 5353, 2204',
    ])
  })

  it.each([
    [
      'a state of two words',
      'TCP 127.0.0.1:80 127.0.0.1:90 DEUX MOTS 12',
      'tcp UNKNOWN 127.0.0.1 80 > 127.0.0.1 90, 12',
    ],
    [
      'a listener whose state has two words',
      'TCP [::1]:80 [::]:0 À L\u{FFFD}\u{FFFD}COUTE 12',
      'tcp LISTEN ::1 80, 12',
    ],
    [
      'a state that every object has',
      'TCP 127.0.0.1:80 127.0.0.1:90 constructor 12',
      'tcp UNKNOWN 127.0.0.1 80 > 127.0.0.1 90, 12',
    ],
    ['no state', 'TCP 127.0.0.1:80 0.0.0.0:0 12', 'tcp LISTEN 127.0.0.1 80, 12'],
    [
      'no end of a column',
      'TCP [2001:db8::1%3]:65535 [2001:db8::2]:1 SYN_SENT 4294967295',
      'tcp SYN_SENT 2001:db8::1%3 65535 > 2001:db8::2 1, 4294967295',
    ],
  ])('reads a line with %s', (_, line, found) => {
    expect(parseNetstat(`${line}\r\n`).map(brief)).toEqual([found])
    expect(parseNetstat(`  ${line}  \n`).map(brief)).toEqual([found])
  })

  it.each([
    ['nothing', ''],
    ['line ends', '\r\n\n\r\n'],
    ['NULs', '\0\0\0\r\n\0'],
    ['headings', '\r\nActive Connections\r\n\r\n  Proto  Local Address  Foreign Address  State  PID\r\n'],
    [
      'what netstat of Linux says',
      'tcp        0      0 127.0.0.1:80            0.0.0.0:*               LISTEN      12/node\n',
    ],
    ['a line that is not ended', '  TCP    127.0.0.1:80    0.0.0.0:0    LISTENING    12'],
    ['a line without a pid', '  TCP    127.0.0.1:80    0.0.0.0:0    LISTENING\r\n'],
    ['port 0', '  TCP    127.0.0.1:0    0.0.0.0:0    LISTENING    12\r\n'],
    ['port 65536', '  TCP    127.0.0.1:65536    0.0.0.0:0    LISTENING    12\r\n'],
    ['a huge port', '  UDP    127.0.0.1:99999999999999999999    *:*    12\r\n'],
    ['a huge pid', '  UDP    127.0.0.1:80    *:*    99999999999999999999\r\n'],
    [
      'an invalid address',
      '  TCP    1.2.3:80    0.0.0.0:0    LISTENING    12\r\n  TCP    [::g]:80    [::]:0    LISTENING    12\r\n',
    ],
    ['an invalid peer', '  TCP    127.0.0.1:80    somewhere    ESTABLISHED    12\r\n'],
    ['another protocol', '  ICMP    127.0.0.1:80    *:*    12\r\n'],
  ])('finds no socket in %s', (_, text) => {
    expect(parseNetstat(text)).toEqual([])
  })

  it('finds only the complete entries in a truncated text', () => {
    const whole = parseNetstat(netstat)
    const wrong = Array.from({ length: netstat.length + 1 }, (_, length) => length).filter((length) => {
      const found = parseNetstat(netstat.slice(0, length))
      return !isDeepStrictEqual(found, whole.slice(0, found.length))
    })
    expect(wrong).toEqual([])
  })

  it.each(['\0', '\r', '\n', ':', '[', '9', '\u{1F600}'])('continues after a byte has become %j', (garbage) => {
    const whole = parseNetstat(netstat).length
    // Each at a third of the positions.
    const places = Array.from({ length: netstat.length / 3 }, (_, index) => 3 * index + (garbage.charCodeAt(0) % 3))
    const wrong = places.filter((offset) => {
      const found = parseNetstat(netstat.slice(0, offset) + garbage + netstat.slice(offset + 1))
      return found.length < whole - 2 || !found.every(isWhole)
    })
    expect(wrong).toEqual([])
  })
})

describe('parseTasklist', () => {
  it('reads the capture', () => {
    expect([...parseTasklist(tasklist)]).toEqual([
      [0, 'System Idle Process'],
      [4, 'System'],
      [1060, 'svchost.exe'],
      [2204, 'svchost.exe'],
      [7120, 'node.exe'],
      [7344, 'Helper, with "quotes".exe'],
    ])
  })

  it.each([
    ['nothing', ''],
    ['a line end', '\r\n'],
    ['what it says when it has found none', 'INFO: No tasks are running which match the specified criteria.\r\n'],
    ['headings', '"Image Name","PID","Session Name","Session#","Mem Usage"\r\n'],
    ['a line that is not ended', '"node.exe","7120","Console","1","61,304 K"'],
    ['a line without quotes', 'node.exe,7120,Console,1,61304 K\r\n'],
    ['quotes without end', `${'"'.repeat(5000)}\r\n`],
  ])('finds no program in %s', (_, text) => {
    expect(parseTasklist(text)).toEqual(new Map())
  })

  it('finds only the complete entries in a truncated text', () => {
    const whole = [...parseTasklist(tasklist)]
    const wrong = Array.from({ length: tasklist.length + 1 }, (_, length) => length).filter((length) => {
      const found = [...parseTasklist(tasklist.slice(0, length))]
      return !isDeepStrictEqual(found, whole.slice(0, found.length))
    })
    expect(wrong).toEqual([])
  })
})

describe('readSocketTableWindows', () => {
  it('finds a server of this process on Windows', async (context) => {
    if (process.platform !== 'win32') context.skip('this is no Windows')
    const server = net.createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as net.AddressInfo
    expect(readSocketTableWindows({ port, protocol: 'tcp' })).toMatchObject([
      { state: 'LISTEN', local: { address: '127.0.0.1', port }, pid: process.pid, program: 'node.exe' },
    ])
    await once(server.close(), 'close')
  })

  it('names each process, except one that has exited meanwhile', async (context) => {
    if (process.platform === 'win32') context.skip('Windows has programs of these names itself')
    await programs({ netstat: says('netstat-windows.txt'), tasklist: says('tasklist-windows.txt') })
    const entries = readSocketTableWindows()
    const programOf = (port: number): unknown => entries.find(({ local }) => portOf(local) === port)?.program
    expect(entries).toHaveLength(29)
    expect([3000, 139, 52_111, 1900].map(programOf)).toEqual([
      'node.exe',
      'System',
      'Helper, with "quotes".exe',
      undefined,
    ])
    expect(entries.filter(({ pid, hidden }) => (pid === undefined) !== (hidden !== undefined))).toEqual([])
    expect(readSocketTableWindows({ port: 3000, state: 'LISTEN' })).toEqual([
      {
        protocol: 'tcp',
        state: 'LISTEN',
        local: { address: '127.0.0.1', port: 3000, family: 'IPv4' },
        pid: 7120,
        program: 'node.exe',
      },
    ])
    expect(readSocketTableWindows({ pid: 2204 })).toHaveLength(2)
    expect(readSocketTableWindows({ protocol: 'unix' })).toEqual([])
  })

  it('lists the sockets if tasklist fails, and does not start it without sockets', async (context) => {
    if (process.platform === 'win32') context.skip('Windows has programs of these names itself')
    const directory = await programs({ netstat: says('netstat-windows.txt'), tasklist: 'process.exit(1)' })
    const [listener] = readSocketTableWindows({ port: 3000 })
    expect(listener).toMatchObject({ pid: 7120, program: undefined })
    await writeFile(
      join(directory, 'tasklist'),
      `#!${process.execPath}\nrequire('fs').writeFileSync(__filename + '.ran', '')`,
    )
    expect(readSocketTableWindows({ port: 3000, state: 'TIME_WAIT' })).toMatchObject([{ hidden: KEPT }])
    expect(() => readFileSync(join(directory, 'tasklist.ran'))).toThrow('ENOENT')
  })

  it.each([
    ['C:\\Windows', 'there is no program C:\\Windows\\System32\\netstat.exe'],
    [undefined, 'there is no program netstat'],
  ])('throws ERR_PORTSIDE_UNSUPPORTED when there is no netstat below SystemRoot %j', async (SystemRoot, because) => {
    await programs({})
    vi.stubEnv('SystemRoot', SystemRoot)
    if (process.platform === 'win32') vi.stubEnv('SystemRoot', 'C:\\portside-test-none')
    expect(() => readSocketTableWindows()).toThrow(
      expect.objectContaining({
        code: 'ERR_PORTSIDE_UNSUPPORTED',
        headline: 'Cannot read the socket table',
        because: process.platform === 'win32' ? expect.stringContaining('netstat.exe') : because,
      }),
    )
  })

  it('reports that netstat failed', async (context) => {
    if (process.platform === 'win32') context.skip('Windows has a program of this name itself')
    await programs({ netstat: 'process.exit(1)' })
    expect(() => readSocketTableWindows()).toThrow(
      expect.objectContaining({ code: 'ERR_PORTSIDE_UNSUPPORTED', because: expect.stringContaining('netstat -ano') }),
    )
  })
})

function brief({ protocol, state, local, remote, pid, hidden }: SocketEntry): string {
  return `${protocol} ${state} ${endOf(local)}${remote ? ` > ${endOf(remote)}` : ''}, ${pid ?? hidden}`
}

const endOf = (end: SocketEntry['local']): string => (typeof end === 'string' ? end : `${end.address} ${end.port}`)

const portOf = (end: SocketEntry['local']): number | undefined => (typeof end === 'string' ? undefined : end.port)

function isWhole({ local, remote, pid, hidden }: SocketEntry): boolean {
  const ends = [local, remote].filter((end) => typeof end === 'object')
  return (
    (pid === undefined) === (hidden !== undefined) &&
    ends.every(({ address, port }) => net.isIP(address) > 0 && port > 0 && port < 65_536)
  )
}

const says = (name: string): string =>
  `process.stdout.write(require('fs').readFileSync(${JSON.stringify(pathOf(name))}))`

/** PATH has only these programs, and SystemRoot is unset. */
async function programs(scripts: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
  onTestFinished(async () => {
    vi.unstubAllEnvs()
    await rm(directory, { recursive: true })
  })
  for (const [name, script] of Object.entries(scripts)) {
    await writeFile(join(directory, name), `#!${process.execPath}\n${script}\n`, { mode: 0o700 })
  }
  vi.stubEnv('PATH', directory)
  vi.stubEnv('SystemRoot', undefined)
  return directory
}
