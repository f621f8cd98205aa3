import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { isRootOfTheMachine, whyNoPrivateNetworks } from '../../src/platform/private-networks.js'

describe('whyNoPrivateNetworks', () => {
  it('is undefined on Linux, and names every other system', () => {
    expect(whyNoPrivateNetworks('linux')).toBeUndefined()
    for (const platform of ['darwin', 'win32', 'freebsd'] as const) {
      expect(whyNoPrivateNetworks(platform)).toMatch(
        new RegExp(`network namespaces of Linux .*, and this is ${platform}$`),
      )
    }
  })
})

describe('isRootOfTheMachine', () => {
  const isRoot = process.geteuid?.() === 0
  const ALL = '000001ffffffffff'
  const WHOLE = '         0          0 4294967295\n'

  /** Files of a process as in proc(5), in a temporary directory. */
  function proc(uidMap: string, rights: string): string {
    const folder = mkdtempSync(join(tmpdir(), 'portside-test-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'uid_map'), uidMap)
    writeFileSync(join(folder, 'status'), `Name:\tnode\nCapInh:\t0000000000000000\nCapEff:\t${rights}\n`)
    return folder
  }

  it('is true for root with all capabilities, in the user namespace of the machine', () => {
    expect(isRootOfTheMachine(proc(WHOLE, ALL))).toBe(isRoot)
  })

  it.each([
    ['root of a user namespace', '         0       1000          1\n', ALL],
    ['root of a container that maps users', '         0     100000      65536\n', ALL],
    ['root of a container without CAP_SYS_ADMIN', WHOLE, '00000000a80425fb'],
    ['a user', WHOLE, '0000000000000000'],
  ])('is false for %s', (_, uidMap, rights) => {
    expect(isRootOfTheMachine(proc(uidMap, rights))).toBe(false)
  })

  it('is false without /proc', () => {
    expect(isRootOfTheMachine('/no/such/folder')).toBe(false)
  })
})
