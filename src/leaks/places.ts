import type { Endpoint } from '../loopback/endpoint.js'
import { describeLeaks } from './leak.js'
import { placeOf } from './report.js'
import type { Tracker } from './tracker.js'

/**
 * Where this process has opened the listener or the datagram socket that is bound there, and by whose test; undefined where
 * the sockets of this process are not tracked, or that one was opened before they were.
 */
export function whereOpened(tracker: Tracker, local: Endpoint | string): string | undefined {
  const bound = [...tracker.open()].filter(({ kind }) => kind === 'listener' || kind === 'udp')
  const leak = describeLeaks(bound, tracker).find((each) => isSame(each.leak.local, local))?.leak
  const place = leak && placeOf(leak.openedAt)
  if (place === undefined) return undefined
  return leak?.test === undefined ? place : `${place}, by '${leak.test}'`
}

function isSame(one: Endpoint | string | undefined, other: Endpoint | string): boolean {
  if (typeof one !== 'object' || typeof other !== 'object') return one === other
  return one.address === other.address && one.port === other.port
}
