import type { Task } from 'tinybench'

/** One measured figure, beside the most it may be. */
export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly bar?: number
}

/** Median time of a task, in milliseconds. */
export function medianOf(task: Task): number {
  const { result } = task
  if (!('latency' in result)) throw new Error(`${task.name} did not run: ${result.state}`)
  return result.latency.p50
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

export function format({ name, value, unit, bar }: Figure): string {
  const verdict =
    bar === undefined ? '' : `${value <= bar ? 'within' : 'OVER'} ${bar}${unit === 'x' ? 'x' : ` ${unit}`}`
  return `${name.padEnd(62)} ${value.toFixed(2).padStart(9)} ${unit.padEnd(3)} ${verdict}`
}
