// Draws docs/images/leak.svg, the picture of the README, from the output of fixtures/projects/demo/leak: `npm run picture`.
// `npm run picture -- --check` exits with 1 if the text of the picture is out of date. Linux only: other systems report no states.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'
import { runVitest } from '../../fixtures/projects/demo/terminal.mjs'

const PICTURE = new URL('../../docs/images/leak.svg', import.meta.url)
const COLUMNS = 100
const CELL = { width: 8.4, height: 20 }
const MARGIN = { left: 20, top: 44, bottom: 16 }
const FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', 'DejaVu Sans Mono', monospace"
const PLAIN = '#d4d8e0'
/** By the number of SGR (ECMA-48 8.3.117), less 30 or 40 for a background; 60 is grey. */
const COLOURS = { 1: '#ff7b72', 2: '#7ee787', 3: '#e3b341', 4: '#79c0ff', 5: '#d2a8ff', 6: '#56d4dd', 60: '#8b949e' }
const BACKGROUND = '#b62324'

const lines = await terminal()
const text = lines.map(stripVTControlCharacters).join('\n')
const desc = `<desc id="text">${escaped(text)}\n</desc>`

if (process.argv.includes('--check')) {
  if (!read(PICTURE).includes(desc)) {
    console.error('docs/images/leak.svg is out of date. Run `npm run picture`.')
    process.exitCode = 1
  }
} else {
  mkdirSync(new URL('./', PICTURE), { recursive: true })
  writeFileSync(PICTURE, svg())
}

/** The output of the run in a terminal of so many columns, without the parts that differ from run to run. */
async function terminal() {
  const folder = new URL('../../fixtures/projects/demo/leak/', import.meta.url)
  const { output } = await runVitest(folder, { FORCE_COLOR: '1', NO_COLOR: undefined })
  // Durations come between colours: `ESC[32m 21ESC[2mmsESC[22mESC[39m`.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the sequences of a terminal
  const stable = output.replace(/\x1b\[\d+m \d+\x1b\[2mms\x1b\[22m\x1b\[39m/g, '')
  const inOrder = (numbers) => {
    const found = new Map()
    return (_, before, number) => `${before}${found.get(number) ?? found.set(number, numbers[found.size]).get(number)}`
  }
  const shown = stable
    .replace(/(127\.0\.0\.1:)(\d+)/g, inOrder([40112, 45081]))
    .replace(/(fd )(\d+)/g, inOrder([21, 24]))
    .replace(/\n\n\n/g, '\n\n')
    // Most fonts lack the line that Vitest draws.
    .replaceAll('⎯', '─')
    .trimEnd()
    .split('\n')
    .filter((line) => !/^ +(Start at|Duration) /.test(stripVTControlCharacters(line)))
  return ['$ npx vitest run', ...shown].flatMap(wrapped)
}

/** Breaks a line at a blank. Text after a label stays in its column. The long lines of a report have no colour in the middle. */
function wrapped(line) {
  if (stripVTControlCharacters(line).length <= COLUMNS) return [line]
  const at = line.lastIndexOf(' ', COLUMNS)
  const indent = /^ *\S+ {2,}/.exec(line)?.[0].length ?? 0
  return [line.slice(0, at), ...wrapped(' '.repeat(indent) + line.slice(at + 1))]
}

function svg() {
  const width = Math.ceil(COLUMNS * CELL.width + 2 * MARGIN.left)
  const height = MARGIN.top + lines.length * CELL.height + MARGIN.bottom
  const dots = ['#ff5f57', '#febc2e', '#28c840'].map(
    (fill, i) => `<circle cx="${22 + i * 20}" cy="20" r="6" fill="${fill}"/>`,
  )
  const style = { colour: PLAIN }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="title text">
<title id="title">Vitest fails one of three concurrent tests, because it left a socket open</title>
${desc}
<rect width="${width}" height="${height}" rx="8" fill="#161b22"/>
${dots.join('')}
<g font-family="${FONT}" font-size="14" xml:space="preserve">
${lines.map((line, index) => drawn(line, MARGIN.top + index * CELL.height, style)).join('')}</g>
</svg>
`
}

/** One line as SVG. The style goes on in the next line, as in a terminal. */
function drawn(line, y, style) {
  let column = 0
  let boxes = ''
  let spans = ''
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the sequences of a terminal
  for (const [, code, run] of line.matchAll(/\x1b\[(\d+)m|([^\x1b]+)/g)) {
    if (code !== undefined) {
      change(style, Number(code))
      continue
    }
    const x = (MARGIN.left + column * CELL.width).toFixed(1)
    const width = (run.length * CELL.width).toFixed(1)
    if (style.box) boxes += `<rect x="${x}" y="${y}" width="${width}" height="${CELL.height}" fill="${BACKGROUND}"/>`
    const look = `${style.bold ? ' font-weight="bold"' : ''}${style.dim ? ' opacity="0.65"' : ''}`
    if (run.trim())
      spans += `<tspan x="${x}" textLength="${width}" fill="${style.box ? '#ffffff' : style.colour}"${look}>${escaped(run)}</tspan>`
    column += run.length
  }
  return spans && `${boxes}<text y="${y + 15}">${spans}</text>\n`
}

function change(style, code) {
  if (code === 1) style.bold = true
  else if (code === 2) style.dim = true
  else if (code === 22) style.bold = style.dim = false
  else if (code === 39) style.colour = PLAIN
  else if (code >= 40 && code < 50) style.box = code !== 49
  else if (COLOURS[code - 30] !== undefined) style.colour = COLOURS[code - 30]
}

function escaped(raw) {
  return raw.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
