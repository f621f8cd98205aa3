import { text } from 'node:stream/consumers'
import { PrivateHost } from '../../src/namespaces/host.js'
import type { HostProfile } from '../../src/namespaces/profile.js'
import { node } from './program.js'

/** Runs ES module code, with `portside` loaded, on a host of the profile. Resolves to the JSON that it prints. */
export async function onHost<T>(profile: HostProfile, code: string): Promise<T> {
  const [program, ...args] = node(`const portside = await import(process.env.PORTSIDE)\n${code}`)
  await using host = await PrivateHost.start(profile)
  const child = host.spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr] = await Promise.all([text(child.stdout!), text(child.stderr!)])
  try {
    return JSON.parse(stdout) as T
  } catch {
    throw new Error(`no JSON: ${stdout}${stderr}`)
  }
}
