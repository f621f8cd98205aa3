// The part of bun-types that portside adds to. A project has the whole (https://bun.com/docs/typescript).
declare module 'bun:test' {
  export interface Matchers<T = unknown> {}
  export interface AsymmetricMatchers {}
}
