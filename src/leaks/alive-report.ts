import { escaped, listOf } from '../message.js'
import { placeOf } from './source-place.js'
import type { StackFrame } from './stack-frame.js'

/** Something other than a socket that keeps the process from ending. */
export interface Alive {
  /** `interval of 700 ms`, `child process 4711 (sleep)`. */
  readonly what: string
  /** `started at`: the frames are where it was started. `calls`: they are the function that it calls. */
  readonly made: 'started at' | 'calls'
  readonly frames: readonly StackFrame[]
  readonly test: string | undefined
  readonly howToEnd: string
}

export function aliveReport(alive: readonly Alive[], also?: 'also'): string {
  const lines = listOf(alive, (each) => `  ${lineOf(each)}`)
  return `${also === undefined ? 'this process does not exit. Keeping it alive:' : 'Also keeping this process alive:'}\n${lines}`
}

function lineOf({ what, made, frames, test, howToEnd }: Alive): string {
  const place = placeOf(frames)
  const name = frames[0]?.function
  const where = place && `${made} ${made === 'calls' && name !== undefined ? `${name} at ${place}` : place}`
  const by = test && `by the test '${escaped(test)}'`
  return [escaped(what), where, by].filter(Boolean).join(', ').concat(`; fix: ${howToEnd}`)
}
