/** The path of the site on its host. GitHub Pages gives it without a slash at its end, and empty for a host of its own. */
export const base = `/${process.env.DOCS_BASE ?? ''}/`.replace(/\/+/g, '/')
