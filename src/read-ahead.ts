/**
 * Reads the code that a report or an assertion may need when the process has no descriptor left. The build puts the rooms of the package
 * here (tsup.config.ts); of the sources all modules are loaded already. `early`: only where a test runner may refuse to read it later.
 */
export function readAhead(_options?: { readonly early?: boolean }): void {}
