import { describe, expect, it } from 'vitest'
import {
  allowWith,
  flagOfDenial,
  missingFlag,
  type Right,
  refuseDenied,
  whyDenied,
} from '../../src/platform/permissions.js'

const RIGHTS: readonly Right[] = ['net', 'child', 'worker', 'fs.read', 'fs.write']
const flags = (...known: string[]): { has(flag: string): boolean } => new Set(known)
const EVERY = flags('--allow-net', '--allow-child-process', '--allow-worker', '--allow-fs-read', '--allow-fs-write')
const only = (...rights: string[]): { has(right: string): boolean } => new Set(rights)

describe('missingFlag', () => {
  it.each(RIGHTS)('names no flag for %s without the permission model', (right) => {
    expect(missingFlag(right)).toBeUndefined()
    expect(missingFlag(right, { allowedNodeEnvironmentFlags: EVERY })).toBeUndefined()
  })

  it.each([
    ['net', '--allow-net'],
    ['child', '--allow-child-process'],
    ['worker', '--allow-worker'],
    ['fs.read', '--allow-fs-read'],
    ['fs.write', '--allow-fs-write'],
  ] as const)('names the flag for %s, and none when it is granted', (right, flag) => {
    expect(missingFlag(right, { permission: only(), allowedNodeEnvironmentFlags: EVERY })).toBe(flag)
    expect(missingFlag(right, { permission: only(right), allowedNodeEnvironmentFlags: EVERY })).toBeUndefined()
  })

  it('names no flag for the network on a Node that does not restrict it', () => {
    const old = flags('--allow-child-process', '--allow-worker')
    expect(missingFlag('net', { permission: only(), allowedNodeEnvironmentFlags: old })).toBeUndefined()
  })
})

describe('flagOfDenial', () => {
  it.each([
    ['Net', '--allow-net'],
    ['ChildProcess', '--allow-child-process'],
    ['WorkerThreads', '--allow-worker'],
    ['FileSystemRead', '--allow-fs-read'],
    ['FileSystemWrite', '--allow-fs-write'],
  ])('reads %s from the error', (permission, flag) => {
    expect(flagOfDenial(Object.assign(new Error('denied'), { code: 'ERR_ACCESS_DENIED', permission }))).toBe(flag)
  })

  it.each([
    undefined,
    new Error('other'),
    { code: 'EACCES', permission: 'Net' },
    { code: 'ERR_ACCESS_DENIED', permission: 'Inspector' },
    { code: 'ERR_ACCESS_DENIED' },
  ])('finds none in %o', (error) => {
    expect(flagOfDenial(error)).toBeUndefined()
  })
})

describe('refuseDenied', () => {
  it('lets a process without the permission model pass', () => {
    for (const right of RIGHTS) refuseDenied(right, 'listen')
  })

  it('has one cause and one fix for all callers', () => {
    expect([whyDenied('--allow-net'), allowWith('--allow-net')]).toEqual([
      'Node runs with --permission and without --allow-net',
      'start Node with --allow-net, or without --permission',
    ])
  })
})
