import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { askedRange, ephemeralRange } from '../../src/platform/ephemeral-range.js'
import { HERE } from '../support/here.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

const IANA = { first: 49_152, last: 65_535 }

it.each([
  ['32768\t60999\n', { first: 32_768, last: 60_999 }],
  ['40000 40003', { first: 40_000, last: 40_003 }],
  ['', IANA],
  ['none\n', IANA],
])('reads the setting of Linux: %j', async (text, range) => {
  const source = await fileOf(text)
  expect(ephemeralRange('linux', source)).toEqual(range)
  expect(ephemeralRange('android', source)).toEqual(range)
})

it('is that of IANA without a setting of Linux, and on other systems', async () => {
  expect(ephemeralRange('linux', join(tmpdir(), 'portside-test-none', 'none'))).toEqual(IANA)
  const source = await fileOf('32768\t60999\n')
  for (const platform of ['aix', 'sunos'] as const) expect(ephemeralRange(platform, source)).toEqual(IANA)
})

it.each([
  ['darwin', '49152\n65535\n', IANA],
  ['darwin', '32768\n60999\n', { first: 32_768, last: 60_999 }],
  ['freebsd', '10000\n65535\n', { first: 10_000, last: 65_535 }],
  ['openbsd', '1024\n49151\n', { first: 1024, last: 49_151 }],
  ['darwin', "sysctl: unknown oid 'net.inet.ip.portrange.first'\n", IANA],
  ['darwin', '60999\n32768\n', IANA],
  ['darwin', '', IANA],
  ['win32', answerOfNetsh('Start Port', 'Number of Ports', 49_152, 16_384), IANA],
  ['win32', answerOfNetsh('Start Port', 'Number of Ports', 1025, 64_510), { first: 1025, last: 65_534 }],
  ['win32', answerOfNetsh('Startport', 'Anzahl von Ports', 32_768, 28_232), { first: 32_768, last: 60_999 }],
  ['win32', answerOfNetsh('開始ポート', 'ポート数', 49_152, 16_384), IANA],
  ['win32', answerOfNetsh('Start Port', 'Number of Ports', 60_000, 16_384), IANA],
  ['win32', 'The following command was not found.\r\n', IANA],
] as const)('reads the answer of the program of %s: %j', (platform, answer, range) => {
  const asked: string[] = []
  const run = (program: string, args: readonly string[]): string => {
    asked.push([program, ...args].join(' '))
    return answer
  }
  expect(askedRange(platform, run)).toEqual(range)
  expect(asked).toEqual([ASKED[platform]])
})

const ASKED = {
  darwin: '/usr/sbin/sysctl -n net.inet.ip.portrange.first net.inet.ip.portrange.last',
  freebsd: '/sbin/sysctl -n net.inet.ip.portrange.first net.inet.ip.portrange.last',
  openbsd: '/sbin/sysctl -n net.inet.ip.portfirst net.inet.ip.portlast',
  win32: 'netsh.exe int ipv4 show dynamicport tcp',
}

it('is that of IANA if the program cannot be started', () => {
  const missing = (): string => {
    throw Object.assign(new Error('spawn ENOENT'), { code: 'ENOENT' })
  }
  for (const platform of ['darwin', 'win32', 'freebsd'] as const) expect(askedRange(platform, missing)).toEqual(IANA)
})

/** The answer of `netsh int ipv4 show dynamicport tcp`, with the words of a language. */
function answerOfNetsh(start: string, count: string, first: number, size: number): string {
  return `\r\nProtocol tcp Dynamic Port Range\r\n---------------------------------\r\n${start}      : ${first}\r\n${count} : ${size}\r\n\r\n`
}

it('is the range from which this kernel picks', async () => {
  const server = net.createServer().listen(0, HERE)
  await once(server, 'listening')
  const { first, last } = ephemeralRange()
  const { port } = server.address() as net.AddressInfo
  expect(port).toBeGreaterThanOrEqual(first)
  expect(port).toBeLessThanOrEqual(last)
  await once(server.close(), 'close')
})

async function fileOf(text: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'portside-test-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const path = join(directory, 'setting')
  await writeFile(path, text)
  return path
}
