import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { leavesNothingOpen } from '../support/kernel.js'
import { nodeBinaries, type RuntimeBinary, runtimeBinary, whyNoBinary } from '../support/runtime-binaries.js'

leavesNothingOpen()

const program = fileURLToPath(new URL('../../fixtures/programs/hold-lock.mjs', import.meta.url))

/** Above all ports, and apart from those of lock.test.ts. */
let port = 2_000_000 + process.pid * 100

const nodes = [...nodeBinaries()]
  .sort(([one], [other]) => Number(one) - Number(other))
  .map(([major, binary]) => [`Node ${major}`, binary] as const)
/** The oldest Node, the newest, and the others. */
const present = new Map<string, RuntimeBinary>([...nodes.slice(0, 1), ...nodes.slice(1).slice(-1)])
const [bun, deno] = [runtimeBinary('bun'), runtimeBinary('deno')]
if (bun !== undefined) present.set('Bun', bun)
if (deno !== undefined) present.set('Deno', deno)

/** Each pair, in both orders. Two programs of this Node are the subject of lock.test.ts. */
const pairs = [...present.keys()].flatMap((holder) => [...present.keys()].map((other) => [holder, other] as const))

describe.each([
  ['Bun', bun, whyNoBinary('bun')],
  ['Deno', deno, whyNoBinary('deno')],
] as const)('locks of %s', (name, binary, why) => {
  // The pairs of Bun and Deno are those of Bun.
  const own = pairs.filter((pair) => pair.includes(name) && (name === 'Bun' || !pair.includes('Bun')))

  if (binary === undefined) it('need the program', (context) => context.skip(why))

  it.each(own)('%s keeps %s from its lock, until it is killed', async (holder, other) => {
    port++
    const held = start(holder)
    expect(await firstLine(held)).toBe('held')
    const refused = start(other)
    expect(await firstLine(refused)).toBe('taken')
    held.kill('SIGKILL')
    await once(held, 'close')
    const next = start(other)
    expect(await firstLine(next)).toBe('held')
    for (const child of [refused, next]) {
      child.stdin.end()
      expect(await once(child, 'close')).toEqual([0, null])
    }
  })
})

function start(runtime: string): ChildProcessWithoutNullStreams {
  const { program: path, args } = present.get(runtime) as RuntimeBinary
  const child = spawn(path, [...args, program, String(port)])
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

async function firstLine({ stdout, stderr }: ChildProcessWithoutNullStreams): Promise<string> {
  let errors = ''
  stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  const line = once(createInterface({ input: stdout }), 'line').then(([text]) => String(text))
  return Promise.race([line, once(stdout, 'end').then(() => `nothing on standard output, but: ${errors}`)])
}
