import { expect, it } from 'vitest'
import { leavesNothingOpen } from '../support/kernel.js'
import { whyNoNamespace } from '../support/namespace.js'
import { onHost } from '../support/private-host.js'

leavesNothingOpen()

const kinds = ['listenHttp', 'listenHttps', 'listenHttp2'] as const

it.for(kinds)('%s avoids ports that fetch blocks, as long as there is another', async (kind, context) => {
  if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
  // Of these eight ports, fetch connects only to 6664, 6670 and 6671.
  const seen = await onHost<{ ports: number[]; last: number }>(
    { ephemeralPorts: [6664, 6671] },
    `
    const servers = []
    for (let count = 0; count < 3; count++) servers.push(await portside.${kind}(undefined, { family: 'IPv4' }))
    const last = await portside.${kind}(undefined, { family: 'IPv4' })
    console.log(JSON.stringify({ ports: servers.map(({ port }) => port).sort(), last: last.port }))
    process.exit()`,
  )
  expect(seen.ports).toEqual([6664, 6670, 6671])
  expect(seen.last).toBeGreaterThan(6664)
})

it('avoids them on both families, and for a server made elsewhere', async (context) => {
  if (whyNoNamespace !== undefined) context.skip(whyNoNamespace)
  const seen = await onHost<{ dual: number; own: number; answered: string }>(
    { ephemeralPorts: [6665, 6672] },
    `
    const http = (await import('node:http')).default
    const own = await portside.listen(http.createServer((request, response) => response.end('hello')))
    const answered = await (await fetch(own.url)).text()
    const dual = await portside.listenHttp(undefined, { family: 'dual' })
    console.log(JSON.stringify({ own: own.port, answered, dual: dual.port }))
    process.exit()`,
  )
  expect([6670, 6671, 6672]).toContain(seen.own)
  expect([6670, 6671, 6672]).toContain(seen.dual)
  expect(seen.answered).toBe('hello')
})
