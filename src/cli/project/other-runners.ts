import { installedVersion, type Project } from './find-project.js'
import type { RunnerReport } from './report.js'

/** Runners that portside has no entry for, by their packages. */
const OTHERS: Readonly<Record<string, string>> = {
  ava: 'ava',
  '@cucumber/cucumber': 'cucumber',
  jasmine: 'jasmine',
  tap: 'tap',
  tape: 'tape',
  uvu: 'uvu',
}

/** Runners in which the check is called by hand: nobody can tell from a configuration whether it is. */
export function lookAtOthers(project: Project): RunnerReport[] {
  return Object.entries(OTHERS).flatMap(([name, runner]) => {
    if (!project.dependencies.has(name)) return []
    const version = installedVersion(project, name)
    return [
      {
        name: runner,
        ...(version === undefined ? {} : { version }),
        check: 'unknown' as const,
        how: 'portside has no entry for it: its tests call the check by hand',
        faults: [],
        notes: [],
        page: 'docs/other-runners.md',
      },
    ]
  })
}
