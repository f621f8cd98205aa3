import { describe, expect, it } from 'vitest'
import { nearest } from '../src/nearest.js'

const NAMES = ['doctor', 'run', 'who', 'json', 'ephemeral-ports', 'timeout']

describe('nearest', () => {
  it.each([
    ['docter', 'doctor'],
    ['doctr', 'doctor'],
    ['doctors', 'doctor'],
    ['odctor', 'doctor'],
    ['rnu', 'run'],
    ['wo', 'who'],
    ['JSON', 'json'],
    ['ephemral-port', 'ephemeral-ports'],
    ['timeOut', 'timeout'],
    ['timeoutMs', 'timeout'],
    ['run', 'run'],
  ])('finds for %s the name %s', (name, meant) => {
    expect(nearest(name, NAMES)).toBe(meant)
  })

  it.each(['', 'x', 'ls', 'nope', 'listen', 'a much longer text than any name'])('finds nothing for %j', (name) => {
    expect(nearest(name, NAMES)).toBeUndefined()
  })

  it('picks the closest name, and the first of equally close names', () => {
    expect(nearest('port', ['ports', 'sort', 'port1'])).toBe('ports')
    expect(nearest('hosts', ['host', 'hosts'])).toBe('hosts')
  })

  it('finds nothing among no names', () => {
    expect(nearest('run', [])).toBeUndefined()
  })
})
