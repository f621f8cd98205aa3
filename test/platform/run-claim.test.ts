import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { markOf, markOfThisProcess } from '../../src/platform/process-mark.js'
import { claimRun, isUnclaimed, noteOfRun, runEnvironment } from '../../src/platform/run-claim.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portside-claims-'))
  // A worker in a private network has the name of its run in the environment.
  for (const name of Object.keys(runEnvironment())) vi.stubEnv(name, undefined)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

test('the first claim of a run succeeds, and leaves a note for its main process', () => {
  expect(noteOfRun(folder)).toBeUndefined()
  expect(claimRun(process.pid, 'a note', folder)).toBe(true)
  expect(claimRun(process.pid, 'another note', folder)).toBe(false)
  expect(noteOfRun(folder)).toBe('a note')
})

test('an unclaimed run is reported once', () => {
  expect(isUnclaimed(folder)).toBe(true)
  expect(isUnclaimed(folder)).toBe(false)
})

test('a run is not reported as unclaimed after a claim, or if the folder cannot be written to', () => {
  claimRun(process.pid, '', folder)
  expect(isUnclaimed(folder)).toBe(false)
  expect(isUnclaimed(join(folder, 'missing'))).toBe(false)
})

test('two main processes have two runs', () => {
  expect(claimRun(process.pid, '', folder)).toBe(true)
  expect(claimRun(process.ppid, '', folder)).toBe(true)
})

test('a worker that cannot see its main process gets the run from its environment', () => {
  expect(claimRun(process.pid, '', folder)).toBe(true)
  for (const [name, value] of Object.entries(runEnvironment())) vi.stubEnv(name, value)
  expect(claimRun(1, '', folder)).toBe(false)
})

test('every claim succeeds if the folder cannot be written to, so no run is silent', () => {
  const missing = join(folder, 'missing')
  expect(claimRun(process.pid, '', missing)).toBe(true)
  expect(claimRun(process.pid, '', missing)).toBe(true)
})

test('files of ended runs are removed, and files of others stay', () => {
  const mark = markOfThisProcess()
  expect(mark).toBe(markOf(process.pid))
  const uid = process.getuid?.() ?? 'unknown'
  const ended = join(folder, `portside-run-${uid}-ended`)
  // No process has this number on Linux (PID_MAX_LIMIT), on macOS or on Windows.
  writeFileSync(ended, `${mark?.split(' ')[0]} 4194305 1\na note`)
  writeFileSync(join(folder, `portside-run-${uid}-strange`), 'no mark')
  writeFileSync(join(folder, 'another-file'), '')
  expect(claimRun(process.pid, '', folder)).toBe(true)
  expect(existsSync(ended)).toBe(false)
  expect(readdirSync(folder)).toHaveLength(3)
})
