import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it, onTestFinished, type TestContext } from 'vitest'
import { parseLsof, readSocketTableMacos } from '../../src/socket-table/macos.js'
import type { SocketEntry } from '../../src/socket-table/socket-entry.js'
import { needsIPv4 } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

const capture = readFileSync(join(import.meta.dirname, '../../fixtures/captures/lsof-macos.txt'), 'latin1')
/** A pid that is not in the capture. */
const NOT_THERE = 0

describe('parseLsof', () => {
  it('reads the capture of macOS', () => {
    expect(parseLsof(capture, NOT_THERE).map(brief)).toEqual([
      'tcp LISTEN fe80::aede:48ff:fe00:1122%12 49154, remoted 318',
      'tcp ESTABLISHED fe80::aede:48ff:fe00:1122%12 49154 > fe80::aede:48ff:fe33:4455%12 59602, remoted 318',
      'udp UNCONN 0.0.0.0 5353, mDNSResponder 402',
      'udp UNCONN :: 5353, mDNSResponder 402',
      'unix UNKNOWN /var/run/mDNSResponder, mDNSResponder 402',
      'tcp LISTEN 127.0.0.1 3000, node 7120',
      'tcp LISTEN :: 3001, node 7120',
      'tcp LISTEN ::1 3002, node 7120',
      'tcp ESTABLISHED 127.0.0.1 3000 > 127.0.0.1 52111, node 7120',
      'tcp ESTABLISHED 127.0.0.1 3001 > 127.0.0.1 52112, node 7120',
      'tcp ESTABLISHED 127.0.0.1 3001 > 127.0.0.1 52113, node 7120',
      'tcp LISTEN 127.0.0.1 3003, node 7120',
      'udp UNCONN 127.0.0.1 5400, node 7120',
      'udp ESTABLISHED 127.0.0.1 52300 > 127.0.0.1 5400, node 7120',
      'udp UNCONN fe80::1%lo0 5401, node 7120',
      'unix UNKNOWN /private/tmp/portside-a1/s.sock, node 7120',
      'unix UNKNOWN /private/tmp/bücher und\\mehr/s.sock, node 7120',
      'unix ESTABLISHED , node 7120',
      'unix UNCONN , node 7120',
      'unix UNKNOWN , node 7120',
      'tcp CLOSE 127.0.0.1 4000, Café Helper (Renderer) 7344',
      'tcp SYN_SENT 127.0.0.1 4001 > 127.0.0.1 52401, Café Helper (Renderer) 7344',
      'tcp SYN_RECV 127.0.0.1 4002 > 127.0.0.1 52402, Café Helper (Renderer) 7344',
      'tcp CLOSE_WAIT 127.0.0.1 4003 > 127.0.0.1 52403, Café Helper (Renderer) 7344',
      'tcp FIN_WAIT1 127.0.0.1 4004 > 127.0.0.1 52404, Café Helper (Renderer) 7344',
      'tcp CLOSING 127.0.0.1 4005 > 127.0.0.1 52405, Café Helper (Renderer) 7344',
      'tcp LAST_ACK 127.0.0.1 4006 > 127.0.0.1 52406, Café Helper (Renderer) 7344',
      'tcp FIN_WAIT2 127.0.0.1 4007 > 127.0.0.1 52407, Café Helper (Renderer) 7344',
      'tcp TIME_WAIT 127.0.0.1 4008 > 127.0.0.1 52408, Café Helper (Renderer) 7344',
      'tcp UNKNOWN 127.0.0.1 4009 > 127.0.0.1 52409, Café Helper (Renderer) 7344',
      'tcp LISTEN 127.0.0.1 4102, Café Helper (Renderer) 7344',
      'tcp ESTABLISHED 10.0.0.5 52500 > 192.0.2.7 443, undefined 7400',
    ])
  })

  it('has the user and the queues, and no queue of bytes for a listener', () => {
    const [listener, connection] = parseLsof(capture, NOT_THERE).filter(({ local }) => portOf(local) === 3000)
    expect(listener).toEqual({
      protocol: 'tcp',
      state: 'LISTEN',
      local: { address: '127.0.0.1', port: 3000, family: 'IPv4' },
      uid: 501,
      sendQueue: 0,
      pid: 7120,
      program: 'node',
    })
    expect(connection).toMatchObject({ receiveQueue: 517, sendQueue: 0 })
  })

  it('reads fields that end with newlines', () => {
    const lines = capture.replaceAll('\0\n', '\n').replaceAll('\0', '\n')
    expect(parseLsof(lines, NOT_THERE)).toEqual(parseLsof(capture, NOT_THERE))
  })

  it.each([
    ['of two processes', 20, [10]],
    ['of this process and another one', 10, [10]],
    ['of another process and this one', 99, [99]],
  ])('lists a socket once %s', (_, second, pids) => {
    const socket = 'f3\0tIPv4\0d0x2c400a51\0PTCP\0n*:80\0TST=LISTEN\0\n'
    const entries = parseLsof(`p10\0ca\0u0\0\n${socket}p${second}\0cb\0u0\0\n${socket}`, 99)
    expect(entries.map(({ pid }) => pid)).toEqual(pids)
  })

  it.each(['', 'd0x0\0'])('treats sockets without an address as different: %j', (device) => {
    const socket = `f3\0tIPv4\0${device}PTCP\0n*:80\0TST=LISTEN\0\n`
    expect(parseLsof(`p10\0\n${socket}${socket}`)).toHaveLength(2)
  })

  it.each([
    ['nothing', ''],
    ['a line end', '\n'],
    ['NULs', '\0\0\0\n\0'],
    ['a warning', 'lsof: WARNING: cannot stat() a file system\n'],
    ['a socket of no process', 'f3\0tIPv4\0PTCP\0n*:80\0TST=LISTEN\0\n'],
    ['a process without sockets', 'p10\0ca\0u0\0\n'],
    ['an invalid pid', 'p1e1\0\nf3\0tIPv4\0PTCP\0n*:80\0\n'],
    ['a set that is not ended', 'p10\0\nf3\0tIPv4\0PTCP\0n*:80\0'],
    ['port 0', 'p10\0\nf3\0tIPv4\0PTCP\0n127.0.0.1:0\0\n'],
    ['port 65536', 'p10\0\nf3\0tIPv4\0PTCP\0n127.0.0.1:65536\0\n'],
    ['a port by name', 'p10\0\nf3\0tIPv4\0PTCP\0n127.0.0.1:http\0\n'],
    ['a host by name', 'p10\0\nf3\0tIPv4\0PTCP\0nlocalhost:80\0\n'],
    ['an invalid address', 'p10\0\nf3\0tIPv6\0PTCP\0n[::g]:80\0\n'],
    ['an invalid peer', 'p10\0\nf3\0tIPv4\0PTCP\0n127.0.0.1:80->somewhere\0\n'],
    ['no name', 'p10\0\nf3\0tIPv4\0PTCP\0\nf4\0tunix\0\n'],
    ['a protocol that every object has', 'p10\0\nf3\0tIPv4\0Pconstructor\0n127.0.0.1:80\0\n'],
    ['a protocol of another kind', 'p10\0\nf3\0tIPv6\0PICMPV6\0n*:80\0\n'],
  ])('finds no socket in %s', (_, text) => {
    expect(parseLsof(text)).toEqual([])
  })

  it.each(['', 'TST=\0', 'TST=NEW\0', 'TST=constructor\0'])('accepts only states of TCP: %j', (field) => {
    expect(parseLsof(`p10\0\nf3\0tIPv4\0PTCP\0n127.0.0.1:80\0${field}\n`)).toMatchObject([{ state: 'UNKNOWN' }])
  })

  it('finds only the complete entries in a truncated text', () => {
    const whole = parseLsof(capture, NOT_THERE)
    const wrong = Array.from({ length: capture.length + 1 }, (_, length) => length).filter((length) => {
      const found = parseLsof(capture.slice(0, length), NOT_THERE)
      return !isDeepStrictEqual(found, whole.slice(0, found.length))
    })
    expect(wrong).toEqual([])
  })

  it.each(['\0', '\n', '\\', '->', 'p', '9', '\u{1F600}'])('continues after a byte has become %j', (garbage) => {
    // Each at a third of the positions.
    const places = Array.from({ length: capture.length / 3 }, (_, index) => 3 * index + (garbage.charCodeAt(0) % 3))
    const wrong = places.filter((offset) => {
      const found = parseLsof(capture.slice(0, offset) + garbage + capture.slice(offset + 1), NOT_THERE)
      return found.length <= 5 || !found.every(isWhole)
    })
    expect(wrong).toEqual([])
  })
})

describe('readSocketTableMacos', () => {
  it('finds the sockets of this process through the lsof of this host', async (context) => {
    const missing = spawnSync('lsof', ['-v']).error?.message
    if (missing !== undefined) context.skip(`no lsof here: ${missing}`)
    needsIPv4(context)
    const server = net.createServer().listen(0, '127.0.0.1')
    const socket = createSocket('udp4').bind(0, '127.0.0.1')
    await Promise.all([once(server, 'listening'), once(socket, 'listening')])
    const tcp = (server.address() as net.AddressInfo).port
    const udp = socket.address().port
    const filters = [
      { port: tcp },
      { port: tcp, protocol: 'tcp' },
      { protocol: 'tcp', state: 'LISTEN', address: '127.0.0.1', pid: process.pid },
      { pid: process.pid },
    ] as const
    const listener = {
      protocol: 'tcp',
      state: 'LISTEN',
      local: { address: '127.0.0.1', port: tcp, family: 'IPv4' },
      uid: process.getuid?.(),
      pid: process.pid,
      program: expect.any(String),
    }
    const bound = { protocol: 'udp', local: { address: '127.0.0.1', port: udp }, pid: process.pid }
    for (const filter of filters) {
      expect(readSocketTableMacos(filter)).toContainEqual(expect.objectContaining(listener))
    }
    expect(readSocketTableMacos({ port: udp, protocol: 'udp' })).toMatchObject([bound])
    expect(readSocketTableMacos({ port: tcp, protocol: 'udp' })).toEqual([])
    expect(readSocketTableMacos({ port: tcp, pid: process.pid + 1 })).toEqual([])
    for (const port of [0, -1, 1.5, 65_536, Number.NaN]) expect(readSocketTableMacos({ port })).toEqual([])
    await Promise.all([once(server.close(), 'close'), new Promise<void>((closed) => socket.close(closed))])
  })

  it.for([
    [{}, ['-i', '-U']],
    [{ protocol: 'tcp' }, ['-iTCP']],
    [{ protocol: 'udp', port: 53 }, ['-iUDP:53']],
    [{ port: 3000, state: 'LISTEN' }, ['-i:3000']],
    [{ port: 70_000 }, ['-i', '-U']],
    [{ protocol: 'unix', address: '/tmp/s.sock' }, ['-U']],
  ] as const)('asks lsof only for the sockets it needs: %j', async ([filter, selection], context) => {
    needsScripts(context)
    const program = await programOf('process.stderr.write(process.argv.slice(2).join(" ")); process.exit(1)')
    expect(() => readSocketTableMacos(filter, program)).toThrow(
      expect.objectContaining({ because: `lsof failed: -nPw ${selection.join(' ')} -FpcutdPnT0` }),
    )
  })

  it.for([
    ['some of it', 1, 'p10\0cnode\0u501\0\nf3\0tIPv4\0PTCP\0n*:80\0TST=LISTEN\0\n', 'lsof: no pwd entry', 1],
    ['nothing', 1, '', '', 0],
  ] as const)('accepts the output of lsof when it has found %s', async ([, status, stdout, stderr, count], context) => {
    needsScripts(context)
    expect(readSocketTableMacos({}, await lsofThat(status, stdout, stderr))).toHaveLength(count)
  })

  it.for([
    ['complains and says nothing', 1, '', 'lsof: illegal option', 'lsof failed: lsof: illegal option'],
    ['breaks off', 2, 'p10\0\n', '', 'lsof failed: Command failed: '],
  ] as const)('fails if lsof %s', async ([, status, stdout, stderr, because], context) => {
    needsScripts(context)
    const program = await lsofThat(status, stdout, stderr)
    expect(() => readSocketTableMacos({}, program)).toThrow(
      expect.objectContaining({ code: 'ERR_PORTSIDE_UNSUPPORTED', because: expect.stringContaining(because) }),
    )
  })

  it('asks for the C locale, in which lsof escapes what the parser reads', async (context) => {
    needsScripts(context)
    const program = await programOf('process.stderr.write(process.env.LC_ALL); process.exit(1)')
    expect(() => readSocketTableMacos({}, program)).toThrow(/^ {2}cause {6}lsof failed: C$/m)
  })

  it('throws ERR_PORTSIDE_UNSUPPORTED when there is no lsof', () => {
    expect(() => readSocketTableMacos({}, 'portside-test-none')).toThrow(
      expect.objectContaining({
        code: 'ERR_PORTSIDE_UNSUPPORTED',
        headline: 'Cannot read the socket table',
        because: 'there is no program portside-test-none in PATH',
        cause: expect.objectContaining({ code: 'ENOENT' }),
      }),
    )
  })

  it('reports that lsof may not be run', async (context) => {
    needsScripts(context)
    const file = await fileOf('', 0o600)
    expect(() => readSocketTableMacos({}, file)).toThrow(
      expect.objectContaining({ code: 'ERR_PORTSIDE_UNSUPPORTED', because: expect.stringContaining('EACCES') }),
    )
  })
})

function brief({ protocol, state, local, remote, program, pid }: SocketEntry): string {
  return `${protocol} ${state} ${endOf(local)}${remote ? ` > ${endOf(remote)}` : ''}, ${program} ${pid}`
}

const endOf = (end: SocketEntry['local']): string => (typeof end === 'string' ? end : `${end.address} ${end.port}`)

const portOf = (end: SocketEntry['local']): number | undefined => (typeof end === 'string' ? undefined : end.port)

function isWhole({ local, remote, pid }: SocketEntry): boolean {
  const ends = [local, remote].filter((end) => typeof end === 'object')
  return (
    Number.isSafeInteger(pid) && ends.every(({ address, port }) => net.isIP(address) > 0 && port > 0 && port < 65_536)
  )
}

function needsScripts(context: TestContext): void {
  if (process.platform === 'win32') context.skip('Windows runs no scripts by their first line')
}

const lsofThat = (status: number, stdout: string, stderr: string): Promise<string> =>
  programOf(
    `process.stdout.write(${JSON.stringify(stdout)}); process.stderr.write(${JSON.stringify(stderr)}); process.exitCode = ${status}`,
  )

const programOf = (script: string): Promise<string> => fileOf(`#!${process.execPath}\n${script}\n`, 0o700)

async function fileOf(text: string, mode: number): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const path = join(directory, 'lsof')
  await writeFile(path, text, { mode })
  return path
}
