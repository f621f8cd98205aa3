import { describe, expect, it } from 'vitest'
import { privilegedEndpoint } from '../../src/index.js'
import { leavesNothingOpen } from '../support/kernel.js'
import { runInNamespace, whyNoNamespace } from '../support/namespace.js'
import { runAsNobody, whyNotNobody } from '../support/nobody.js'

leavesNothingOpen()

const isRoot = process.getuid?.() === 0

describe('for a user without privileges', () => {
  it('fails to listen with EACCES, every time and over both families', async (context) => {
    if (whyNotNobody !== undefined) context.skip(whyNotNobody)
    const seen = runAsNobody(`
      import net from 'node:net'
      import { once } from 'node:events'
      const { privilegedEndpoint, loopbackFamilies } = portside
      for (const family of loopbackFamilies()) {
        const { address: host, port, close } = await privilegedEndpoint({ family })
        const codes = new Set()
        for (let times = 0; times < 50; times++) {
          const server = net.createServer().listen({ host, port })
          codes.add(await once(server, 'listening').then(() => 'listening', ({ code }) => code))
        }
        await close()
        console.log(host, port < 1024, ...codes)
      }`)
    for (const line of seen.trim().split('\n')) expect(line).toMatch(/^(127\.0\.0\.1|::1) true EACCES$/)
  })
})

it('rejects for root, and names the reason', async (context) => {
  if (!isRoot) context.skip('this is not root')
  await expect(privilegedEndpoint()).rejects.toMatchObject({
    code: 'ERR_PORTSIDE_UNSUPPORTED',
    message: expect.stringMatching(
      /^Cannot find a port that .+\.\n {2}expected {3}EACCES\n {2}got {8}a bind to .*:\d+ that succeeds\n {2}cause {6}this process runs as root\n {2}fix {8}/,
    ),
  })
})

it('says that the host has no privileged port when every user may bind every port', async (context) => {
  if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
  const seen = runInNamespace(
    'echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start',
    `const { privilegedEndpoint } = await import(process.env.PORTSIDE)
     await privilegedEndpoint().catch(({ code, message }) => console.log(code, message))`,
  )
  expect(seen).toMatch(
    /^ERR_PORTSIDE_UNSUPPORTED Cannot find a port that .+\.\n(.+\n)* {2}got {8}this host has no privileged port\n/,
  )
})
