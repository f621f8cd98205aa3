import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { exitOf } from '../runners/consumers/project.js'
import type { RecipeFile } from './recipes.js'

type Settings = { [name: string]: unknown }

/** Services have lines in common. */
const ran = new Map<string, ReturnType<typeof exitOf>>()

/** The faults of a file for a CI service or a container. Its lines with `npx portside` are run. */
export async function checkSettings({ path, language, code }: RecipeFile, project: string): Promise<string[]> {
  const settings = language === 'json' ? JSON.parse(withoutName(code)) : (await yaml(project)).parse(code)
  const [missing, commands] = shapeOf(path, settings)
  const { scripts } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { scripts: Settings }
  const complaints = missing.map((what) => `${path} has no ${what}`)
  for (const command of commands) {
    for (const [, script = ''] of command.matchAll(/\bnpm (?:run )?(start|test|(?<=run )\w+)/g)) {
      if (scripts[script] === undefined) complaints.push(`${path}: package.json has no script ${script}`)
    }
    if (!command.startsWith('npx portside ')) continue
    const { code, output } = await (ran.get(command) ??
      ran.set(command, exitOf('sh', ['-c', command], project)).get(command)!)
    if (code !== 0) complaints.push(`${command} exits with ${code}: ${output.slice(-2000)}`)
  }
  return complaints
}

/** The settings that a service would miss, and the lines that it would run. */
function shapeOf(path: string, settings: Settings): [missing: string[], commands: string[]] {
  const missing: string[] = []
  const need = (value: unknown, what: string): void => {
    if (!value || (Array.isArray(value) && value.length === 0)) missing.push(what)
  }
  const entries = (value: unknown): Array<[string, Settings]> =>
    Object.entries((value ?? {}) as Record<string, Settings>)
  if (path.startsWith('.github/workflows/')) {
    need(settings.on, 'on')
    need(settings.jobs, 'jobs')
    const steps = entries(settings.jobs).flatMap(([name, job]) => {
      need(job['runs-on'], `jobs.${name}.runs-on`)
      need(job.steps, `jobs.${name}.steps`)
      return (job.steps ?? []) as Array<{ run?: string; uses?: string }>
    })
    for (const step of steps)
      need((step.run === undefined) !== (step.uses === undefined), 'step with either run or uses')
    return [missing, steps.flatMap(({ run }) => run ?? [])]
  }
  if (path === '.gitlab-ci.yml') {
    for (const [name, job] of entries(settings)) need(job.script, `${name}.script`)
    return [missing, entries(settings).flatMap(([, job]) => (job.script ?? []) as string[])]
  }
  if (path === 'compose.yaml') {
    need(settings.services, 'services')
    for (const [name, service] of entries(settings.services)) need(service.image, `services.${name}.image`)
    return [missing, entries(settings.services).flatMap(([, service]) => String(service.command ?? []))]
  }
  if (path === '.devcontainer/devcontainer.json') {
    need(settings.image, 'image')
    return [missing, [String(settings.postCreateCommand)]]
  }
  return [[`check in test/cookbook/settings.ts`], []]
}

/** The parser that the project has installed. */
const yaml = (project: string): Promise<{ parse(text: string): Settings }> =>
  import(pathToFileURL(join(project, 'node_modules/yaml/dist/index.js')).href).then(({ default: parser }) => parser)

const withoutName = (code: string): string => code.slice(code.indexOf('\n'))
