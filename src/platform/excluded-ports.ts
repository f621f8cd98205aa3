import { outputOf } from './output-of.js'

/** Whether this system excludes ports from use, as Windows does for Hyper-V. */
export function excludesPorts(platform: NodeJS.Platform = process.platform): boolean {
  return platform === 'win32'
}

/**
 * The ranges that Windows excludes, from `netsh`. Empty if Windows excludes nothing, or `netsh` fails.
 * https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/netsh-int-ipv4
 */
export function excludedRanges(
  protocol: 'tcp' | 'udp',
  run: (args: readonly string[]) => string = netsh,
): Array<{ readonly first: number; readonly last: number }> {
  try {
    return parseExcludedRanges(run(['int', 'ipv4', 'show', 'excludedportrange', `protocol=${protocol}`]))
  } catch {
    return []
  }
}

/** Reads the rows of two numbers. The headings are in the language of the system, and a `*` marks ranges of users. */
export function parseExcludedRanges(output: string): Array<{ readonly first: number; readonly last: number }> {
  return Array.from(output.matchAll(/^\s*(\d{1,5})\s+(\d{1,5})\s*\*?\s*$/gm), ([, first, last]) => ({
    first: Number(first),
    last: Number(last),
  }))
}

function netsh(args: readonly string[]): string {
  const { SystemRoot } = process.env
  // The full path, because Windows looks for a bare name in the current directory too.
  return outputOf(SystemRoot ? `${SystemRoot}\\System32\\netsh.exe` : 'netsh', args, { encoding: 'latin1' })
}
