import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { codeOf } from '../errors.js'
import { statOf } from './process-stat.js'

/**
 * What names this process among all that may share a temporary directory: the kernel that runs it, on Linux also its PID
 * namespace, its pid, and on Linux when it started. Undefined where that cannot be known, as without /proc.
 */
export const markOfThisProcess = (platform: NodeJS.Platform = process.platform): string | undefined =>
  markOf(process.pid, platform)

/** The same of another process that runs, such as the parent. */
export function markOf(pid: number, platform: NodeJS.Platform = process.platform): string | undefined {
  try {
    const place = placeOfPids(platform)
    return place && `${place} ${pid} ${isLinux(platform) ? statOf(pid).started : '-'}`
  } catch {
    return undefined
  }
}

/** Whether the process of a mark has ended. False if it runs, or if that cannot be known from here. */
export function hasEnded(mark: string, platform: NodeJS.Platform = process.platform): boolean {
  const [, place, pid, started] = /^(\S+) ([1-9]\d*) (\d+|-)$/.exec(mark) ?? []
  try {
    // A pid says nothing about a process of another kernel or container. The number of a PID namespace is given again only
    // after all of its processes have ended.
    if (place === undefined || place !== placeOfPids(platform)) return false
    if (!isLinux(platform)) return process.kill(Number(pid), 0) && false
    const stat = statOf(Number(pid))
    // A process that nobody has asked about yet keeps its pid.
    return stat.started !== started || stat.state === 'Z'
  } catch (error) {
    // EMFILE or EPERM says nothing.
    return codeOf(error) === 'ESRCH' || codeOf(error) === 'ENOENT'
  }
}

const isLinux = (platform: NodeJS.Platform): boolean => platform === 'linux' || platform === 'android'

/** Throws or gives undefined where pids cannot be told apart. */
function placeOfPids(platform: NodeJS.Platform): string | undefined {
  if (!isLinux(platform)) return `${platform}:${hostname()}`
  // Not where /proc is that of another PID namespace (pid_namespaces(7)).
  if (Number(readlinkSync('/proc/self')) !== process.pid) return undefined
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return `linux:${boot}:${statSync('/proc/self/ns/pid').ino}`
}
