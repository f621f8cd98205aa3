import { defineConfig } from 'vitepress'
import { base } from './base.js'
import { slugify } from './headings.js'
import { linkRepository } from './links.js'
import { rewrites } from './pages.js'
import { sidebar } from './sidebar.js'
import { strictLogger } from './strict-logger.js'

export default defineConfig({
  title: 'portside',
  description:
    'Test servers on free ports that always shut down, and a check that fails the test that left a socket open.',
  base,
  cleanUrls: true,
  rewrites,
  // Browsers ask for /favicon.ico if a page names no icon.
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  markdown: {
    anchor: { slugify },
    config: linkRepository,
  },
  vite: {
    // The development server prints its address by the logger of Vite.
    ...(process.env.NODE_ENV === 'production' && { customLogger: strictLogger }),
    // The search index and the reference are each one file.
    build: { chunkSizeWarningLimit: 2000 },
  },
  themeConfig: {
    nav: [
      { text: 'Guide', link: '/readme', activeMatch: '^/(?!reference/)' },
      { text: 'API', link: '/reference/', activeMatch: '^/reference/' },
    ],
    sidebar: sidebar(),
    outline: [2, 3],
    search: {
      provider: 'local',
      options: {
        miniSearch: {
          // VitePress writes these functions into the page, so they cannot use a name of this file.
          options: {
            processTerm: (term) =>
              /^(?:an?|and|are|do|does|for|from|how|i|in|is|it|my|of|on|or|that|the|this|to|what|which|with)$/i.test(
                term,
              )
                ? null
                : term.toLowerCase(),
          },
          searchOptions: { fuzzy: 0.1, combineWith: 'OR', boost: { title: 4, titles: 2, text: 1 } },
        },
      },
    },
  },
})
