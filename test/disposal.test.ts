import { describe, expect, it } from 'vitest'
import { createUndoList } from '../src/disposal.js'

describe('an undo list', () => {
  it('runs undos last in, first out, one after the other', async () => {
    const seen: string[] = []
    const undos = createUndoList()
    for (const name of ['first', 'second', 'third']) {
      undos.add(async () => {
        seen.push(`${name} begins`)
        await Promise.resolve()
        seen.push(`${name} ends`)
      })
    }
    await undos.run()
    expect(seen).toEqual(['third begins', 'third ends', 'second begins', 'second ends', 'first begins', 'first ends'])
  })

  it('runs once if run() is called several times', async () => {
    let runs = 0
    const undos = createUndoList()
    undos.add(() => runs++)
    expect(undos.run()).toBe(undos.run())
    await undos.run()
    expect(runs).toBe(1)
  })

  it('runs an undo that another undo adds', async () => {
    const seen: string[] = []
    const undos = createUndoList()
    undos.add(() => undos.add(() => seen.push('late')))
    await undos.run()
    expect(seen).toEqual(['late'])
    expect(undos.size).toBe(0)
  })

  it('skips an undo that was removed', async () => {
    const seen: string[] = []
    const undos = createUndoList()
    const forget = undos.add(() => seen.push('forgotten'))
    undos.add(() => seen.push('kept'))
    forget()
    await undos.run()
    expect(seen).toEqual(['kept'])
  })

  it('continues after a failure, and rejects with the same error', async () => {
    const failure = new Error('boom')
    const seen: string[] = []
    const undos = createUndoList()
    undos.add(() => seen.push('after'))
    undos.add(() => Promise.reject(failure))
    await expect(undos.run()).rejects.toBe(failure)
    expect(seen).toEqual(['after'])
  })

  it('rejects with all failures if there are several', async () => {
    const undos = createUndoList()
    undos.add(() => Promise.reject(new Error('second')))
    undos.add(() => {
      throw new Error('first')
    })
    await expect(undos.run()).rejects.toMatchObject({
      code: 'ERR_PORTSIDE_UNDO',
      message: expect.stringContaining('2 errors, the first: first'),
      errors: [{ message: 'first' }, { message: 'second' }],
    })
  })

  it('does not replace the original error', async () => {
    const failure = new Error('the test failed')
    const undos = createUndoList()
    undos.add(() => Promise.reject(new Error('and so did the clean-up')))
    expect(await undos.runAfter(failure)).toBe(failure)
    expect(failure).toMatchObject({ message: 'the test failed', undoErrors: [{ message: 'and so did the clean-up' }] })
  })

  it('returns an error that is not an object', async () => {
    const undos = createUndoList()
    undos.add(() => Promise.reject(new Error('boom')))
    expect(await undos.runAfter('a string')).toBe('a string')
  })
})
