import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { ephemeralRange } from '../../src/platform/ephemeral-range.js'
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
  for (const platform of ['darwin', 'win32', 'freebsd'] as const) expect(ephemeralRange(platform, source)).toEqual(IANA)
})

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
