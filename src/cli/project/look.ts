import { lookAtBun } from './bun.js'
import { lookAtDeno } from './deno.js'
import { diskFiles, type Files } from './files.js'
import { findProject, installedVersion, type Project } from './find-project.js'
import { lookAtJest } from './jest.js'
import { lookAtMocha } from './mocha.js'
import { lookAtNodeTest } from './node-test.js'
import { lookAtOthers } from './other-runners.js'
import { lookAtPlaywright } from './playwright.js'
import type { Conclusion, RunnerReport } from './report.js'
import { lookAtVitest } from './vitest.js'

/** The project of the current folder, and its test runners. */
export interface ProjectReport {
  /** The format of these fields. A version of portside that changes the meaning of a field raises the number. */
  readonly format: 1
  /** The folder of package.json. */
  readonly root?: string
  readonly name?: string
  /** Why there is no project, or why package.json cannot be used. */
  readonly problem?: string
  /** Whether package.json or node_modules has portside. */
  readonly hasPortside: boolean
  readonly runners: readonly RunnerReport[]
  /** The folders of other projects that belong to this one. They are not looked at. */
  readonly workspaces: readonly string[]
}

/** Looks at the nearest project from a folder upward. `undefined` means that the folder is gone. Reads files as text and never runs them. */
export function lookAtProject(
  from: string | undefined,
  env: Conclusion['env'],
  files: Files = diskFiles,
): ProjectReport {
  const project = from === undefined ? undefined : findProject(from, files)
  if (project === undefined) {
    const problem =
      from === undefined ? 'the current folder does not exist' : `no folder from ${from} upward has a package.json`
    return { format: 1, problem, hasPortside: false, runners: [], workspaces: [] }
  }
  const { root, name, problem, workspaces } = project
  return {
    format: 1,
    root,
    ...(name === undefined ? {} : { name }),
    ...(problem === undefined ? {} : { problem }),
    hasPortside:
      name === 'portside' ||
      project.dependencies.has('portside') ||
      installedVersion(project, 'portside') !== undefined,
    runners: runnersOf(project, env),
    workspaces,
  }
}

function runnersOf(project: Project, env: Conclusion['env']): RunnerReport[] {
  const own = [lookAtVitest, lookAtJest, lookAtMocha, lookAtPlaywright].map((lookAt) => lookAt(project, env))
  const known = own.filter((report) => report !== undefined)
  const others = lookAtOthers(project)
  const nodeTest = lookAtNodeTest(project, env, known.length + others.length > 0)
  const bun = lookAtBun(project, env, known.length + others.length > 0 || nodeTest !== undefined)
  const deno = lookAtDeno(project, env)
  return [...known, ...[nodeTest, bun, deno].filter((report) => report !== undefined), ...others]
}
