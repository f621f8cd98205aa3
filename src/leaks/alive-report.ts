import { escaped, listOf } from '../message.js'
import type { Alive } from './alive.js'
import { placeOf } from './report.js'

/** `Also keeping this process alive:` and a line for each. */
export function aliveReport(alive: readonly Alive[], also?: 'also'): string {
  const lines = listOf(alive, (each) => `  ${lineOf(each)}`)
  return `${also === undefined ? 'this process does not end. Keeping it alive:' : 'Also keeping this process alive:'}\n${lines}`
}

function lineOf({ what, made, frames, test, howToEnd }: Alive): string {
  const place = placeOf(frames)
  const name = frames[0]?.function
  const where = place && `${made} ${made === 'calls' && name !== undefined ? `${name} at ${place}` : place}`
  const by = test && `by the test '${escaped(test)}'`
  return [escaped(what), where, by].filter(Boolean).join(', ').concat(`; fix: ${howToEnd}`)
}
