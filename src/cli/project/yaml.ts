/**
 * The top-level settings of a YAML file that are a string or a list of strings. It reads the parts of YAML that configurations of test
 * runners and package managers use, and ignores the rest.
 */
export function yamlSettings(text: string): Record<string, readonly string[]> {
  const settings = new Map<string, string[]>()
  let values: string[] = []
  let flow: string[] = []
  for (const line of text.split(/\r\n|\r|\n/).map(withoutComment)) {
    const [, quoted, plain, rest = ''] = /^(?:["']([\w-]+)["']|([\w-]+))\s*:(?:\s+(.*))?$/.exec(line) ?? []
    const key = quoted ?? plain
    const [, item] = /^\s*-\s+(.*)$/.exec(line) ?? []
    if (flow.length > 0) flow.push(line)
    else if (key !== undefined) {
      values = []
      settings.set(key, values)
      if (rest.startsWith('[')) flow = [rest]
      else if (rest.trim() !== '') values.push(unquoted(rest))
    } else if (item !== undefined) values.push(unquoted(item))
    if (flow.at(-1)?.includes(']')) {
      const list = flow.join('').replace(/^\[|\].*$/g, '')
      for (const one of list.split(',').map(unquoted)) if (one !== '') values.push(one)
      flow = []
    }
  }
  return Object.fromEntries(settings)
}

/** A `#` begins a comment at the start of a line or after a space, but not in quotes. */
function withoutComment(line: string): string {
  let quote = ''
  for (let at = 0; at < line.length; at++) {
    const character = line.charAt(at)
    if (quote !== '') quote = character === quote ? '' : quote
    else if ((character === '"' || character === "'") && /[\s[,:-]|^$/.test(line.charAt(at - 1))) quote = character
    else if (character === '#' && /\s|^$/.test(line.charAt(at - 1))) return line.slice(0, at).trimEnd()
  }
  return line.trimEnd()
}

const unquoted = (text: string): string => text.trim().replace(/^(["'])(.*)\1$/, '$2')
