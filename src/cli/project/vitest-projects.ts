import { dirname, resolve } from 'node:path'
import { filesNamed, readForeign, readMentions } from './common.js'
import type { Project } from './find-project.js'
import { split } from './properties.js'
import { Evidence } from './report.js'
import { type Loaded, load, type Source, settingsOf, textsOf, valueTokens } from './sources.js'
import type { Token } from './tokens.js'
import { PLUGIN, readSettings, SETUP } from './vitest-settings.js'

/** Reads a configuration of Vitest with its projects. */
export function readConfiguration(project: Project, { sources, problems }: Loaded, evidence: Evidence): void {
  const settings = sources.flatMap((source) => settingsOf(source))
  const shared = readShared(project, { sources, problems })
  const projects = settings.filter(
    ({ key, path }) => key === 'projects' && (path.length === 0 || path.at(-1) === 'test'),
  )
  const elements = projects.flatMap(({ source, value }) => elementsOf(source, value))
  if (elements.length === 0) evidence.add(shared)
  else {
    evidence.faults.push(...shared.faults)
    evidence.unclear.push(...shared.unclear)
    readProjects(project, elements, shared, evidence)
  }
  readMentions(sources, [SETUP, PLUGIN], evidence)
}

/** Reads the settings that all projects of a configuration share. */
function readShared(project: Project, { sources, problems }: Loaded): Evidence {
  const evidence = new Evidence()
  evidence.unclear.push(...problems)
  const settings = sources.flatMap((source) => settingsOf(source)).filter(({ path }) => !path.includes('projects'))
  readSettings(project, settings, evidence)
  readForeign(sources, evidence, isOfVite)
  return evidence
}

const isOfVite = (name: string): boolean => /^(?:vite|vitest)(?:\/|$)/.test(name)

/** A project, or the path of its file. */
export interface Element {
  readonly source: Source
  readonly tokens: readonly Token[]
}

/** The elements of the first array of a value, even if that is a variable. */
export function elementsOf(source: Source, value: readonly Token[]): Element[] {
  for (const token of valueTokens(source, value)) {
    if (token.kind === 'group' && token.open === '[') return split(token.items).map((tokens) => ({ source, tokens }))
  }
  return []
}

/** Reads projects. A project does not inherit the configuration around it, unless it has `extends: true`. */
export function readProjects(
  project: Project,
  elements: readonly Element[],
  shared: Evidence,
  evidence: Evidence,
): void {
  const without: string[] = []
  for (const [index, element] of elements.entries()) {
    const own = readProject(project, element, shared)
    evidence.add(own)
    if (own.check === 'not set up') without.push(nameOf(element) ?? `number ${index + 1}`)
  }
  for (const note of shared.notes) evidence.notes.add(note)
  if (without.length === 0) return
  const names = without.map((name) => `'${name}'`).join(', ')
  if (evidence.on.length > 0)
    evidence.notes.add(`the check is not set up in the ${plural(without, 'project')} ${names}`)
  else if (shared.on.length > 0) {
    const found = `${shared.on[0]} does not apply to the ${plural(without, 'project')} ${names}`
    if (shared.on.some((one) => one.startsWith('plugins'))) evidence.unclear.push(found)
    else evidence.off(found, 'add extends: true to each of them')
  }
}

const plural = (list: readonly unknown[], noun: string): string => (list.length === 1 ? noun : `${noun}s`)

function readProject(project: Project, { source, tokens }: Element, shared: Evidence): Evidence {
  const evidence = new Evidence()
  const [only] = tokens
  if (tokens.length === 1 && only?.kind === 'text') {
    const loaded = /[*{]|\/$/.test(only.text) ? undefined : load(project, resolve(dirname(source.path), only.text))
    if (loaded !== undefined) evidence.add(readShared(project, loaded))
    else evidence.unclear.push(`${source.file} has the project '${only.text}', which has its own configuration`)
    return evidence
  }
  const value = tokens.flatMap((token) => (token.kind === 'word' ? (source.variables.get(token.text) ?? []) : [token]))
  const settings = settingsOf(source, value).map((one) => (one.path.length === 0 ? { ...one, isOutermost: true } : one))
  readSettings(project, settings, evidence)
  const base = settings.find(({ key }) => key === 'extends')
  if (base?.value.some((token) => token.kind === 'word' && token.text === 'true')) evidence.add(shared)
  for (const loaded of base === undefined ? [] : filesNamed(project, base, evidence)) {
    evidence.add(readShared(project, loaded))
  }
  return evidence
}

function nameOf({ source, tokens }: Element): string | undefined {
  const named = settingsOf(source, tokens).find(({ key, path }) => key === 'name' && path.at(-1) === 'test')
  return named === undefined ? undefined : textsOf(named)[0]
}
