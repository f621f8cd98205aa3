import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { deadLinks } from '../../docs/.vitepress/check-links.js'

const links = (...targets: string[]): string => targets.map((target) => `<a href="${target}">link</a>`).join('')

test('finds links without a file or an anchor, below the base of the site', () => {
  const dist = mkdtempSync(join(tmpdir(), 'portside-site-'))
  onTestFinished(() => rmSync(dist, { recursive: true }))
  mkdirSync(join(dist, 'part'))
  writeFileSync(join(dist, 'index.html'), links('/base/', 'leaks#by-hand', '/base/leaks#none', '/base/none', '/leaks'))
  writeFileSync(join(dist, 'leaks.html'), `<h2 id="by-hand">By hand</h2><img src="/base/none.svg">${links('#by-hand')}`)
  const outside = links('https://nodejs.org/api/#none', 'mailto:someone')
  writeFileSync(join(dist, 'part/index.html'), links('../leaks#no', './', '/base/part/', '#') + outside)
  expect(deadLinks(dist, '/base/').sort()).toEqual([
    'index.html: /base/leaks#none',
    'index.html: /base/none',
    'index.html: /leaks',
    'leaks.html: /base/none.svg',
    'part/index.html: ../leaks#no',
  ])
})
