import { execFileSync } from 'node:child_process'
import { type Figure, median } from './figure.js'

const entry = new URL('../../dist/index.js', import.meta.url).href

/** What `import 'portside'` adds to a Node process that does nothing, and what it loads. */
export function importTime(runs = 25): Figure[] {
  const bare: number[] = []
  const ours: number[] = []
  for (let run = 0; run < runs; run++) {
    bare.push(timed('0'))
    ours.push(timed(`await import(${JSON.stringify(entry)})`))
  }
  return [{ name: "import 'portside', beyond bare Node", value: median(ours) - median(bare), unit: 'ms', bar: 15 }]
}

function timed(code: string): number {
  const begun = performance.now()
  execFileSync(process.execPath, ['--input-type=module', '--eval', code])
  return performance.now() - begun
}
