import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import net from 'node:net'
import { devNull } from 'node:os'
import { describe, expect, it } from 'vitest'
import { isOpenDescriptor, socketInode } from '../../src/platform/descriptor-inode.js'
import { leavesNothingOpen } from '../support/kernel.js'

leavesNothingOpen()

describe.skipIf(process.platform !== 'linux').each(['Node', 'Deno'] as const)('a descriptor in %s', (runtime) => {
  it('has the inode of its socket', async () => {
    const server = net.createServer().listen(0)
    await once(server, 'listening')
    const { fd } = (server as unknown as { _handle: { fd: number } })._handle
    const inode = socketInode(fd, runtime)
    expect(inode).toBeGreaterThan(0)
    expect(inode).toBe(socketInode(fd, runtime === 'Node' ? 'Deno' : 'Node'))
    server.close()
    await once(server, 'close')
  })

  it('is no socket if it is a file, and throws once it is closed', () => {
    const fd = openSync(devNull, 'r')
    expect(socketInode(fd, runtime)).toBeUndefined()
    expect(isOpenDescriptor(fd, runtime)).toBe(true)
    closeSync(fd)
    expect(isOpenDescriptor(fd, runtime)).toBe(false)
    expect(() => socketInode(fd, runtime)).toThrow(/EBADF|ENOENT/)
  })
})
