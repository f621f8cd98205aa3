import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { codeOf } from '../errors.js'
import { statOf } from './process-stat.js'

/**
 * Identifies this process among all processes that may share a temporary directory: by its kernel, its PID namespace on Linux, its pid,
 * and on Linux its start time. Undefined if these are not known, as without /proc.
 */
export const markOfThisProcess = (platform: NodeJS.Platform = process.platform): string | undefined =>
  markOf(process.pid, platform)

/** The same for another running process, such as the parent. */
export function markOf(pid: number, platform: NodeJS.Platform = process.platform): string | undefined {
  try {
    const place = placeOfPids(platform)
    return place && `${place} ${pid} ${isLinux(platform) ? statOf(pid).started : '-'}`
  } catch {
    return undefined
  }
}

/** Whether the process of a mark has exited. False if it runs, or if that is not known here. */
export function hasEnded(mark: string, platform: NodeJS.Platform = process.platform): boolean {
  const [, place, pid, started] = /^(\S+) ([1-9]\d*) (\d+|-)$/.exec(mark) ?? []
  try {
    // A pid says nothing about a process of another kernel or container. The number of a PID namespace is reused only after all its
    // processes have exited.
    if (place === undefined || place !== placeOfPids(platform)) return false
    if (!isLinux(platform)) return process.kill(Number(pid), 0) && false
    const stat = statOf(Number(pid))
    // An exited process keeps its pid until its parent waits for it.
    return stat.started !== started || stat.state === 'Z'
  } catch (error) {
    // EMFILE or EPERM says nothing.
    return codeOf(error) === 'ESRCH' || codeOf(error) === 'ENOENT'
  }
}

const isLinux = (platform: NodeJS.Platform): boolean => platform === 'linux' || platform === 'android'

/** Throws or returns undefined if pids cannot be distinguished. */
function placeOfPids(platform: NodeJS.Platform): string | undefined {
  if (!isLinux(platform)) return `${platform}:${hostname()}`
  // /proc may belong to another PID namespace (pid_namespaces(7)).
  if (Number(readlinkSync('/proc/self')) !== process.pid) return undefined
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return `linux:${boot}:${statSync('/proc/self/ns/pid').ino}`
}
