import { join, resolve, sep } from 'node:path'
import type { Files, FileText } from '../../../src/cli/project/files.js'
import { lookAtProject, type ProjectReport } from '../../../src/cli/project/look.js'
import type { RunnerReport } from '../../../src/cli/project/report.js'

/** Files by their paths from the root of a project, with slashes. An object is JSON; a problem is a file that cannot be read. */
export type Given = Readonly<Record<string, string | object>>

export const ROOT = resolve('/app')

/** Files in memory. */
export function filesOf(given: Given): Files {
  const texts = new Map(Object.entries(given).map(([name, content]) => [join(ROOT, name), textOf(content)]))
  return {
    read: (path) => texts.get(path),
    list: (folder) => {
      const below = [...texts.keys()]
        .filter((path) => path.startsWith(resolve(folder) + sep))
        .map((path) => path.slice(resolve(folder).length + 1))
      return {
        files: below.filter((path) => !path.includes(sep)),
        folders: [...new Set(below.filter((path) => path.includes(sep)).map((path) => path.split(sep)[0] ?? ''))],
      }
    },
  }
}

const textOf = (content: string | object): FileText => {
  if (typeof content === 'string') return { text: content }
  return 'problem' in content ? (content as FileText) : { text: JSON.stringify(content) }
}

export function look(given: Given, env: Record<string, string> = {}, from = '.'): ProjectReport {
  return lookAtProject(join(ROOT, from), env, filesOf(given))
}

/** The report about one runner of a project. Its package.json is empty unless the files have one. */
export function lookAt(name: string, given: Given, env: Record<string, string> = {}): RunnerReport | undefined {
  return look({ 'package.json': {}, ...given }, env).runners.find((runner) => runner.name === name)
}

/** A report in one line: the check, what sets it up, and what is wrong. */
export function summary(name: string, given: Given, env: Record<string, string> = {}): string {
  const report = lookAt(name, given, env)
  if (report === undefined) return 'not used'
  const { check, how, faults } = report
  const wrong = faults.map(({ found, fix, leavesOff }) => `${leavesOff ? 'OFF' : 'WRONG'} ${found} -> ${fix}`)
  return [how === undefined ? check : `${check}: ${how}`, ...wrong].join(' | ')
}
