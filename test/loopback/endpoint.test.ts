import { describe, expect, it } from 'vitest'
import { formatEndpoint } from '../../src/index.js'
import { dialAddress } from '../../src/loopback/dial-address.js'
import { bracketed, toEndpoint, unmapped } from '../../src/loopback/endpoint.js'
import { loopbackFamilies } from '../../src/loopback/probe.js'

describe('formatEndpoint', () => {
  it.each([
    ['127.0.0.1', 3000, '127.0.0.1:3000'],
    ['::1', 3000, '[::1]:3000'],
    ['fe80::1%lo', 1, '[fe80::1]:1'],
  ])('writes %s and %i as %s', (address, port, text) => {
    expect(formatEndpoint(toEndpoint(address, port))).toBe(text)
  })
})

describe('an address', () => {
  it('has brackets only if it is IPv6', () => {
    expect(bracketed('::')).toBe('[::]')
    expect(bracketed('0.0.0.0')).toBe('0.0.0.0')
    expect(bracketed('localhost')).toBe('localhost')
  })

  it.each([
    ['0.0.0.0', '127.0.0.1'],
    // By IPv4 if the host has no IPv6.
    ['::', loopbackFamilies().includes('IPv6') ? '::1' : '127.0.0.1'],
    ['127.0.0.9', '127.0.0.9'],
    ['::1', '::1'],
  ])('for a listener, %s, is dialled at %s', (bound, dialled) => {
    expect(dialAddress(toEndpoint(bound, 1))).toBe(dialled)
  })

  it('that is IPv4-mapped becomes the IPv4 address', () => {
    expect(unmapped('::ffff:127.0.0.1')).toBe('127.0.0.1')
    expect(unmapped('::ffff:1')).toBe('::ffff:1')
    expect(unmapped('::1')).toBe('::1')
  })

  it('has a family', () => {
    expect(toEndpoint('::1', 1).family).toBe('IPv6')
    expect(toEndpoint('127.0.0.1', 1).family).toBe('IPv4')
  })
})
