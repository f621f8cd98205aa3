import { portsideError } from '../errors.js'
import { findProgram } from '../platform/program.js'

/** The programs that make and enter namespaces, with their packages (the same on Debian, Fedora and Alpine). */
const PACKAGES = {
  unshare: 'util-linux',
  nsenter: 'util-linux',
  prlimit: 'util-linux',
  setsid: 'util-linux',
  ip: 'iproute2',
} as const

export type Tool = keyof typeof PACKAGES

/** The path of a tool in PATH. Throws ERR_PORTSIDE_UNSUPPORTED if it is missing, with the package to install. */
export function toolPath(tool: Tool, path = process.env.PATH ?? ''): string {
  const found = findProgram(tool, { path }).path
  if (found !== undefined) return found
  throw portsideError('ERR_PORTSIDE_UNSUPPORTED', {
    headline: 'Cannot make a private network',
    because: `${tool} is not in PATH`,
    next: `install ${PACKAGES[tool]} (apt-get install ${PACKAGES[tool]}; apk add ${PACKAGES[tool]}), or add its directory to PATH`,
  })
}
