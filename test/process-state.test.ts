import net from 'node:net'
import vm from 'node:vm'
import { expect, it } from 'vitest'
import { processState } from '../src/process-state.js'

it('is made once, and kept where every copy and every realm finds it', () => {
  const made = processState('test.one', () => ({}))
  expect(processState('test.one', () => ({}))).toBe(made)
  const inAnotherRealm = vm.runInNewContext("Server[Symbol.for('portside.state.v1')]['test.one']", {
    Server: net.Server,
  })
  expect(inAnotherRealm).toBe(made)
})
