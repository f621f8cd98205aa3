import { vi } from 'vitest'
import type { Command } from '../../src/cli/command.js'
import { parse } from '../../src/cli/parse.js'

/** Runs a command in this process, which saves the time to start one. Throws UsageError. */
export async function runHere(
  command: Command,
  ...args: string[]
): Promise<{ stdout: string; stderr: string; code: number }> {
  const { options, operands } = parse(command, args)
  const written = { stdout: '', stderr: '' }
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += text
      return true
    }),
  )
  try {
    return { code: await command.run(options, operands), ...written }
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}
