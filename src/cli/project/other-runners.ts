import { installedVersion, type Project } from './find-project.js'
import type { RunnerReport } from './report.js'

/** Runners without an entry of portside, by their packages. */
const OTHERS: Readonly<Record<string, string>> = {
  ava: 'ava',
  '@cucumber/cucumber': 'cucumber',
  jasmine: 'jasmine',
  tap: 'tap',
  tape: 'tape',
  uvu: 'uvu',
}

/** Tests of these runners call the check by hand, so a configuration does not show whether it is on. */
export function lookAtOthers(project: Project): RunnerReport[] {
  return Object.entries(OTHERS).flatMap(([name, runner]) => {
    if (!project.dependencies.has(name)) return []
    const version = installedVersion(project, name)
    return [
      {
        name: runner,
        ...(version === undefined ? {} : { version }),
        check: 'unknown' as const,
        how: 'portside has no entry for this runner; its tests call the check by hand',
        faults: [],
        notes: [],
        page: 'docs/other-runners.md',
      },
    ]
  })
}
