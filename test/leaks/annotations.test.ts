import { expect, test } from 'vitest'
import type { SocketLeak } from '../../src/index.js'
import { annotationsOf } from '../../src/leaks/annotations.js'

const leak: SocketLeak = {
  kind: 'client',
  openedAt: [{ file: '/project/test/a,b.test.ts', line: 3, column: 9 }],
  test: 'is 100% done',
  howToClose: 'socket.destroy()',
}
const env = { GITHUB_ACTIONS: 'true', GITHUB_WORKSPACE: '/project' }

test('marks the line that opened a leak, once', () => {
  expect(annotationsOf([leak, { ...leak, local: '' }], 'fail', env)).toEqual([
    "::error file=test/a%2Cb.test.ts,line=3,col=9,title=portside%3A leak::This line opens a socket that is left open by 'is 100%25 done'. Call socket.destroy().",
  ])
  const [warning] = annotationsOf([{ ...leak, redials: { failed: 2, answer: 'ECONNREFUSED' } }], 'warn', env)
  expect(warning).toMatch(/^::warning .*::A client of this line reconnects by/)
})

test('marks at most ten lines, no line of a package, and only on GitHub', () => {
  const at = (line: number, file = '/project/a.ts') => ({ ...leak, openedAt: [{ file, line, column: 1 }] })
  const many = Array.from({ length: 40 }, (_, line) => at(line))
  expect(annotationsOf(many, 'fail', env)).toHaveLength(10)
  expect(annotationsOf([at(1, '/project/node_modules/pg/index.js')], 'fail', env)).toEqual([])
  expect(annotationsOf(many, 'fail', {})).toEqual([])
})
