// A module of its own, loaded where Vitest is older than 4.1: Vitest 5 has no such entry, and Vite looks for what an import
// names as soon as it sees the module.
export { getFn, getHooks, setFn } from 'vitest/suite'
