import { closeSync, openSync, read, readSync } from 'node:fs'
import { codeOf } from '../errors.js'

/**
 * A table in `/proc/net`, read piece by piece. Such a table is made while it is read: a read that returns less
 * than it might have been given was the last, and one more, to see a 0, would make the kernel walk through all its hash
 * buckets anew, 2 ms for nothing.
 */
export class ProcTable {
  readonly exists: boolean
  #fd: number | undefined
  readonly #buffer = Buffer.allocUnsafe(LARGE)
  #ahead: number | undefined

  /** A table that is not there, as those of IPv6 where it is switched off, has no lines. */
  constructor(path: string) {
    try {
      this.#fd = openSync(path, 'r')
    } catch (error) {
      if (!ABSENT.has(codeOf(error))) throw error
    }
    this.exists = this.#fd !== undefined
  }

  /** Begins to read in a thread of its own, while this one reads another table. */
  readAhead(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#fd === undefined) return resolve()
      read(this.#fd, this.#buffer, 0, LARGE, null, (error, length) => {
        if (error === null) this.#ahead = length
        resolve()
      })
    })
  }

  /**
   * The bytes of all lines, once, some whole lines at a time, with their line ends. The next piece overwrites the one before.
   * Lazy: stopping early avoids reading the rest of the table.
   */
  *pieces(): Generator<Buffer, void, void> {
    if (this.#fd === undefined) return
    // The beginning of a line whose end has not been read.
    let rest = 0
    let size = this.#ahead === undefined ? SMALL : LARGE
    try {
      for (;;) {
        const asked = Math.min(size, LARGE - rest)
        const length = this.#read(rest, asked)
        const filled = rest + length
        const whole = this.#buffer.subarray(0, filled).lastIndexOf(LINE_END) + 1
        const piece = this.#buffer.subarray(0, whole)
        if (whole > 0) yield piece
        if (size === SMALL && !hasOnlyListeners(piece)) size = LARGE
        // Nothing that is longer than the buffer is a line.
        rest = filled - whole === LARGE ? 0 : filled - whole
        if (rest > 0) this.#buffer.copyWithin(0, whole, filled)
        if (length < Math.min(asked, LAST)) break
      }
    } finally {
      this.close()
    }
  }

  close(): void {
    const fd = this.#fd
    this.#fd = undefined
    if (fd !== undefined) closeSync(fd)
  }

  #read(offset: number, size: number): number {
    const length = this.#ahead
    this.#ahead = undefined
    return length ?? readSync(this.#fd as number, this.#buffer, offset, size, null)
  }
}

const hasOnlyListeners = (piece: Buffer): boolean =>
  piece
    .toString('latin1')
    .split('\n')
    .every((line) => line === '' || LISTENER.test(line) || line.includes(HEADING))

/**
 * A line of tcp has 150 bytes, one of tcp6 a few more: so that the kernel looks for one listener at a time. They come
 * first (net/ipv4/tcp_ipv4.c), and behind them lie the buckets of all connections.
 */
const SMALL = 150
const LARGE = 65_536

/** With each read the kernel fills a page, as far as whole lines fit, and a line is far shorter than what is left. */
const LAST = 4096 - 512

const LINE_END = 0x0a

/** It is not there, or not for this process. */
const ABSENT: ReadonlySet<string | undefined> = new Set(['ENOENT', 'EACCES', 'EPERM'])

const LISTENER = /^ *\d+: \S+ \S+ 0A /
const HEADING = 'local_address'
