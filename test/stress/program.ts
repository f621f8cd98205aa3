import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Network } from './network.js'

export type Program = ChildProcessByStdio<null, Readable, Readable>

/** Longest time for a program, in milliseconds. */
const LIMIT = 60_000

/** Starts a program of `programs/` with its settings as its only argument, and kills it when its time is over. */
export function startProgram({ command }: Network, name: string, settings: object): Program {
  const [file = '', ...args] = [...command, process.execPath, pathOf(name), JSON.stringify(settings)]
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const kill = () => void child.kill('SIGKILL')
  const timer = setTimeout(kill, LIMIT)
  process.once('exit', kill)
  child.once('exit', () => {
    clearTimeout(timer)
    process.off('exit', kill)
  })
  return child
}

/** Runs a program until it exits. Resolves to its output, as JSON. Rejects with its standard error if it fails. */
export async function runProgram<T>(network: Network, name: string, settings: object): Promise<T> {
  const child = startProgram(network, name, settings)
  let [said, complained] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complained += text
  })
  const [code, signal] = await once(child, 'close')
  if (code === 0) return JSON.parse(said)
  const how = signal === 'SIGKILL' ? `was killed after ${LIMIT / 1000} s` : `exited with ${signal ?? code}`
  throw new Error(`${name} ${how}: ${complained.trim().slice(-2000) || 'no output'}`)
}

interface Together {
  program: string
  count: number
  as: 'processes' | 'threads'
  /** How often all of them begin, answer and leave. Default: 1. */
  rounds?: number
  settings: object
}

/** Runs one program many times in parallel. Resolves to the result of each, for each round. */
export function runTogether<T>(network: Network, { program, ...rest }: Together): Promise<T[][]> {
  return runProgram(network, 'run-together', { rounds: 1, ...rest, path: pathOf(program) })
}

const pathOf = (name: string): string => fileURLToPath(new URL(`programs/${name}.mjs`, import.meta.url))
