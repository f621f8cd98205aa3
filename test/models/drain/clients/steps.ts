import { once } from 'node:events'
import type { Reaction, Step } from '../schedule.js'
import { clock, type Seen, type SeenRequest } from '../seen.js'
import { type Dialled, dial, leave, type Playing, type Target, wait } from './connection.js'

/** One connection, step by step, in HTTP/1 or bytes. */
export function playSteps(
  target: Target,
  seen: Seen,
  client: number,
  steps: readonly Step[],
  allowHalfOpen: boolean,
): Playing {
  const dialled = dial(target, seen, client, { allowHalfOpen })
  const connection = new Connection(target, seen, client, dialled)
  void connection.play(steps)
  return { finish: () => connection.finish(), discard: () => void dialled.socket.destroy() }
}

class Connection {
  readonly #own: SeenRequest[] = []
  readonly #index: number
  #made = 0
  #text = ''
  #chat = 0
  #finished = false
  #changed = (): void => {}

  constructor(
    readonly target: Target,
    readonly seen: Seen,
    readonly client: number,
    readonly dialled: Dialled,
  ) {
    this.#index = seen.connections.indexOf(dialled.seen)
    const { socket } = dialled
    socket.on('data', (chunk: Buffer) => this.#hear(chunk))
    for (const event of ['end', 'close']) socket.on(event, () => this.#changed())
  }

  async play(steps: readonly Step[]): Promise<void> {
    const { socket, seen } = this.dialled
    if (socket.connecting) await once(socket, this.target.ca === null ? 'connect' : 'secureConnect').catch(() => {})
    for (const step of steps) {
      if (socket.destroyed || this.#finished) return
      if ('wait' in step) await wait(step.wait)
      else if ('send' in step) await this.#send(step)
      else if ('write' in step) this.#write(Buffer.alloc(step.write, 'x'))
      else if ('chat' in step) this.#startChat(step.chat)
      else if ('upgrade' in step) await this.#upgrade(step.upgrade)
      else if ('pause' in step) this.#pause(step.pause)
      else if ('answers' in step) await this.#answered()
      else leave(this.dialled, 'end' in step ? 'end' : 'reset')
      if (seen.closed) return
    }
  }

  finish(): void {
    this.#finished = true
    const { socket } = this.dialled
    socket.resume()
    if (!socket.destroyed && socket.allowHalfOpen) socket.end()
  }

  /** Does not write once the client may not, because that would be the client's own error. */
  #write(data: Buffer | string): boolean {
    const { socket, seen } = this.dialled
    if (!socket.writable || socket.writableEnded) return false
    seen.written += data.length
    socket.write(data)
    return true
  }

  async #send({ send, held, rest }: { send: readonly Reaction[]; held: number; rest: number }): Promise<void> {
    const requests = send.map((reaction) => this.#request(reaction))
    const text = requests.map((each) => each.text).join('')
    const begun = this.dialled.seen.written
    let offset = begun
    const lastBody = requests.at(-1)?.body ?? 0
    const first = held === 0 ? text : text.slice(0, Math.max(1, text.length - lastBody - held))
    if (!this.#write(first)) return
    const noted = requests.map(({ id, text }) => {
      const noted: SeenRequest = {
        id,
        client: this.client,
        connection: this.#index,
        start: offset,
        writtenAt: offset + text.length <= begun + first.length ? clock() : undefined,
        answered: false,
        error: undefined,
      }
      offset += text.length
      return noted
    })
    this.seen.requests.push(...noted)
    this.#own.push(...noted)
    if (held === 0) return
    await wait(rest)
    if (this.#write(text.slice(first.length))) for (const each of noted) each.writtenAt ??= clock()
  }

  #request({ kind, n }: Reaction): { id: string; text: string; body: number } {
    const id = `${this.target.name}.${this.client}.${this.#made++}`
    const body = kind === 'upload' ? n : 0
    const head = `${kind === 'upload' ? 'POST' : 'GET'} /${id}/${kind}/${n} HTTP/1.1\r\nHost: localhost\r\n`
    return { id, text: `${head}${body > 0 ? `Content-Length: ${body}\r\n` : ''}\r\n${'u'.repeat(body)}`, body }
  }

  /** Not after a request, because Node gives the whole socket to the handler of the upgrade. */
  async #upgrade(bytes: number): Promise<void> {
    await this.#answered()
    this.#write('GET /upgrade HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n')
    this.dialled.seen.upgraded = true
    this.#write(Buffer.alloc(bytes, 'x'))
  }

  #startChat(count: number): void {
    this.#chat = count
    this.#write('c')
  }

  #pause(ms: number): void {
    const { socket } = this.dialled
    socket.pause()
    setTimeout(() => socket.resume(), ms)
  }

  #hear(chunk: Buffer): void {
    this.dialled.seen.read += chunk.length
    if (this.#chat > 0 && !this.#finished) {
      this.#chat--
      this.#write('c')
    }
    if (this.#own.length === 0) return
    this.#text += chunk.toString('latin1')
    this.dialled.seen.toldToClose ||= /^connection: close\r$/im.test(this.#text)
    // The end of a body that has a length, or the end of one in chunks.
    for (const [, id] of this.#text.matchAll(/end:([\d.]+)(?:!|;\r\n0\r\n\r\n)/g)) {
      const request = this.#own.find((each) => each.id === id)
      if (request !== undefined) request.answered = true
    }
    this.#text = this.#text.slice(-64)
    this.#changed()
  }

  /** Waits until all requests are answered, or nothing more can arrive. */
  async #answered(): Promise<void> {
    const { seen } = this.dialled
    while (!seen.closed && seen.endedAt === undefined && this.#own.some(({ answered }) => !answered)) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }
}
