import { closeSync, openSync, read, readSync } from 'node:fs'
import { codeOf } from '../errors.js'

/**
 * A table in `/proc/net`, read piece by piece. The kernel makes the table during the read, so a short read is the last. Another
 * read, to see the 0 bytes of the end, would make the kernel walk all hash buckets again: 2 ms for nothing.
 */
export class ProcTable {
  readonly exists: boolean
  #fd: number | undefined
  readonly #buffer = Buffer.allocUnsafe(LARGE)
  #ahead: number | undefined

  /** A missing table has no lines, such as the IPv6 tables if IPv6 is switched off. */
  constructor(path: string) {
    try {
      this.#fd = openSync(path, 'r')
    } catch (error) {
      if (!ABSENT.has(codeOf(error))) throw error
    }
    this.exists = this.#fd !== undefined
  }

  /** Starts a read in another thread, while this thread reads another table. */
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
   * The bytes of all lines in pieces of whole lines, with their line ends. Each piece overwrites the previous one.
   * Lazy: stopping early avoids reading the rest of the table.
   */
  *pieces(): Generator<Buffer, void, void> {
    if (this.#fd === undefined) return
    // The length of a line whose end is not read yet.
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
        // A line is never longer than the buffer.
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
 * A line of tcp has 150 bytes, a line of tcp6 a few more. With this size the kernel looks for one listener at a time. Listeners come
 * first (net/ipv4/tcp_ipv4.c), before the hash buckets of all connections.
 */
const SMALL = 150
const LARGE = 65_536

/** The kernel fills a page with whole lines at each read, and a line is shorter than 512 bytes. */
const LAST = 4096 - 512

const LINE_END = 0x0a

/** The table does not exist, or this process may not read it. */
const ABSENT: ReadonlySet<string | undefined> = new Set(['ENOENT', 'EACCES', 'EPERM'])

const LISTENER = /^ *\d+: \S+ \S+ 0A /
const HEADING = 'local_address'
