import { closeSync, openSync, read, readSync } from 'node:fs'
import { codeOf } from '../errors.js'

/**
 * A table in `/proc/net`, read as latin1, line by line. Such a table is made while it is read: a read that returns less
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

  /** All lines, once, without their line ends. Lazy: who stops early has read no more than it needed. */
  *lines(): Generator<string, void, void> {
    if (this.#fd === undefined) return
    // What follows the last line end is half written.
    let rest = ''
    let size = this.#ahead === undefined ? SMALL : LARGE
    try {
      for (;;) {
        const asked = size
        const length = this.#read(asked)
        const lines = (rest + this.#buffer.toString('latin1', 0, length)).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          yield line
          if (size === SMALL && !LISTENER.test(line) && !line.includes(HEADING)) size = LARGE
        }
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

  #read(size: number): number {
    const length = this.#ahead
    this.#ahead = undefined
    return length ?? readSync(this.#fd as number, this.#buffer, 0, size, null)
  }
}

/**
 * A line of tcp has 150 bytes, one of tcp6 a few more: so that the kernel looks for one listener at a time. They come
 * first (net/ipv4/tcp_ipv4.c), and behind them lie the buckets of all connections.
 */
const SMALL = 150
const LARGE = 65_536

/** With each read the kernel fills a page, as far as whole lines fit, and a line is far shorter than what is left. */
const LAST = 4096 - 512

/** It is not there, or not for this process. */
const ABSENT: ReadonlySet<string | undefined> = new Set(['ENOENT', 'EACCES', 'EPERM'])

const LISTENER = /^ *\d+: \S+ \S+ 0A /
const HEADING = 'local_address'
