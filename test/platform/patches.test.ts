import net from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { listenTcp } from '../../src/index.js'
import { patch, patches } from '../../src/platform/patches.js'
import { turn } from '../support/clients.js'

class Greeter {
  constructor(readonly name: string) {}
  greet(greeting: string): string {
    return `${greeting}, ${this.name}`
  }
}

type Greet = Greeter['greet']

const louder = (original: Greet): Greet =>
  function (this: Greeter, greeting) {
    return `${original.call(this, greeting)}!`
  }

const namesOn = (target: object): string[] =>
  patches()
    .filter((patched) => patched.target === target)
    .map(({ name }) => name)

describe('a patch', () => {
  it('replaces an inherited method of one object, and removes it with the undo', () => {
    const [patched, other] = [new Greeter('Ada'), new Greeter('Bob')]
    const undo = patch(patched, 'greet', louder, 'a test')
    expect([patched.greet('Hello'), other.greet('Hello')]).toEqual(['Hello, Ada!', 'Hello, Bob'])
    undo()
    expect(patched.greet('Hello')).toBe('Hello, Ada')
    expect(Object.hasOwn(patched, 'greet')).toBe(false)
  })

  it('has the name and the number of parameters of the method', () => {
    const patched = new Greeter('Ada')
    const undo = patch(patched, 'greet', louder, 'a test')
    expect([patched.greet.name, patched.greet.length]).toEqual(['greet', 1])
    undo()
  })

  it('replaces an own method, and restores the property as it was', () => {
    class Own extends Greeter {}
    const target = Own.prototype
    Object.defineProperty(target, 'greet', { value: Greeter.prototype.greet, writable: true, configurable: true })
    const before = Object.getOwnPropertyDescriptor(target, 'greet')
    const undo = patch(target, 'greet', louder, 'a test')
    expect(new Own('Ada').greet('Hello')).toBe('Hello, Ada!')
    undo()
    expect(Object.getOwnPropertyDescriptor(target, 'greet')).toEqual(before)
  })

  it('can be undone twice', () => {
    const target = new Greeter('Ada')
    const undo = patch(target, 'greet', louder, 'a test')
    undo()
    const again = patch(target, 'greet', louder, 'a test')
    undo()
    expect(target.greet('Hello')).toBe('Hello, Ada!')
    again()
  })

  it('stays and only calls the original if other code has patched the method again', () => {
    const target = new Greeter('Ada')
    const undo = patch(target, 'greet', louder, 'a test')
    const ours = target.greet
    const theirs = function (this: Greeter, greeting: string): string {
      return `${ours.call(this, greeting)}?`
    }
    target.greet = theirs
    expect(target.greet('Hello')).toBe('Hello, Ada!?')
    undo()
    expect(target.greet).toBe(theirs)
    expect(target.greet('Hello')).toBe('Hello, Ada?')
  })

  it('is undone in any order', () => {
    const target = new Greeter('Ada')
    const first = patch(target, 'greet', louder, 'a test')
    const second = patch(target, 'greet', louder, 'a test')
    expect(target.greet('Hello')).toBe('Hello, Ada!!')
    first()
    expect(target.greet('Hello')).toBe('Hello, Ada!')
    second()
    expect(target.greet('Hello')).toBe('Hello, Ada')
  })

  it('leaves nothing behind if its replacement cannot be made', () => {
    const target = new Greeter('Ada')
    const fail = (): Greet => {
      throw new Error('no replacement')
    }
    expect(() => patch(target, 'greet', fail, 'a test')).toThrow('no replacement')
    expect(target.greet('Hello')).toBe('Hello, Ada')
    expect(namesOn(target)).toEqual([])
  })
})

describe('the list of patches', () => {
  it('has a patch with its reason until it is undone', () => {
    const target = new Greeter('Ada')
    const undo = patch(target, 'greet', louder, 'the greeting is too quiet')
    expect(patches()).toContainEqual({ target, name: 'greet', because: 'the greeting is too quiet' })
    undo()
    expect(namesOn(target)).toEqual([])
  })

  it('has the patches of portside on a server, and not those of a finished close', async () => {
    const server = await listenTcp()
    expect(namesOn(server.server)).toEqual(['emit', 'close'])
    await server.close()
    expect(namesOn(server.server)).toEqual(['emit', 'close'])
  })

  it('keeps no patched object alive', async () => {
    setFlagsFromString('--expose-gc')
    const gc = runInNewContext('gc') as () => void
    const refs = Array.from({ length: 100 }, () => {
      const server = net.createServer()
      patch(server, 'emit', (emit) => emit, 'a test of the collector')
      return new WeakRef(server)
    })
    const ofThisTest = () => patches().filter(({ because }) => because === 'a test of the collector')
    expect(ofThisTest()).toHaveLength(100)
    // The target of a WeakRef stays alive until the end of the job.
    for (let turns = 0; turns < 100 && refs.some((ref) => ref.deref() !== undefined); turns++) {
      await turn()
      gc()
    }
    expect(ofThisTest()).toEqual([])
  })
})
