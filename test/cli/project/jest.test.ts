import { describe, expect, it } from 'vitest'
import { type Given, summary } from './files.js'

const ON = "on: testEnvironment in jest.config.js is 'portside/jest-environment'"
const ENVIRONMENT = "testEnvironment: 'portside/jest-environment'"
const FIX = `write ${ENVIRONMENT}`
const config = (text: string): Given => ({ 'jest.config.js': `module.exports = {\n${text}\n}` })
const inManifest = (jest: object): Given => ({ 'package.json': { jest } })

describe('the check of Jest is on', () => {
  it.each<[string, Given, string]>([
    ['by the environment', config(`${ENVIRONMENT},`), ON],
    [
      'by the environment in package.json',
      inManifest({ testEnvironment: 'portside/jest-environment' }),
      "on: testEnvironment in package.json is 'portside/jest-environment'",
    ],
    ['by the preset in package.json', inManifest({ preset: 'portside' }), "on: preset in package.json is 'portside'"],
    ['by the preset', config("preset: 'portside', verbose: true"), "on: preset in jest.config.js is 'portside'"],
    [
      'by the path of the preset',
      config("preset: 'portside/jest-preset'"),
      `on: preset in jest.config.js is 'portside/jest-preset'`,
    ],
    ['by the preset and the environment', config(`preset: 'portside', ${ENVIRONMENT}`), ON],
    ['with another preset', config(`preset: 'ts-jest', ${ENVIRONMENT}`), ON],
    ['in JSON', { 'jest.config.json': { testEnvironment: 'portside/jest-environment' } }, ON.replace('.js ', '.json ')],
    [
      'in the shape that jest --init writes',
      {
        'jest.config.ts': `/**\n * For a detailed explanation regarding each configuration property, visit:\n * https://jestjs.io/docs/configuration\n */\n\nimport type {Config} from 'jest';\n\nconst config: Config = {\n  // All imported modules in your tests should be mocked automatically\n  // automock: false,\n  clearMocks: true,\n  // The test environment that will be used for testing\n  testEnvironment: "portside/jest-environment",\n};\n\nexport default config;\n`,
      },
      ON.replace('.js ', '.ts '),
    ],
    [
      'in a typed object',
      {
        'jest.config.mjs': `/** @type {import('jest').Config} */\nconst config = { ${ENVIRONMENT} }\nexport default config`,
      },
      ON.replace('.js ', '.mjs '),
    ],
    [
      'in an async function',
      { 'jest.config.mjs': `export default async () => ({ ${ENVIRONMENT} })` },
      ON.replace('.js ', '.mjs '),
    ],
    [
      'in a function with a body',
      { 'jest.config.cjs': `module.exports = async () => { const a = { b: 1 }; return { ${ENVIRONMENT} } }` },
      ON.replace('.js ', '.cjs '),
    ],
    [
      'by a call of next/jest',
      {
        'jest.config.js': `const nextJest = require('next/jest')\nconst createJestConfig = nextJest({ dir: './' })\nconst customJestConfig = { ${ENVIRONMENT} }\nmodule.exports = createJestConfig(customJestConfig)`,
      },
      ON,
    ],
    ['by an assignment', { 'jest.config.js': "module.exports.testEnvironment = 'portside/jest-environment'" }, ON],
    [
      'by a configuration that jest.config.js requires',
      {
        'jest.config.js': "module.exports = { ...require('./base.js') }",
        'base.js': `module.exports = { ${ENVIRONMENT} }`,
      },
      "on: testEnvironment in base.js is 'portside/jest-environment'",
    ],
    [
      'by an environment of the project',
      {
        ...config("testEnvironment: '<rootDir>/test/env.js'"),
        'test/env.js':
          "const { TestEnvironment } = require('portside/jest-environment')\nclass Own extends TestEnvironment {}\nmodule.exports = Own",
      },
      "on: test/env.js extends 'portside/jest-environment'",
    ],
    [
      'by a preset of the project',
      {
        ...config("preset: './base/jest-preset.json'"),
        'base/jest-preset.json': { testEnvironment: 'portside/jest-environment' },
      },
      "on: testEnvironment in base/jest-preset.json is 'portside/jest-environment'",
    ],
    [
      'by a script',
      { 'package.json': { scripts: { test: 'jest --env=portside/jest-environment' } } },
      "on: the script 'test' has --env portside/jest-environment",
    ],
    [
      'by a file that package.json names',
      {
        'package.json': { jest: './config/jest.json' },
        'config/jest.json': { testEnvironment: 'portside/jest-environment' },
      },
      "on: testEnvironment in config/jest.json is 'portside/jest-environment'",
    ],
    [
      'by a file that a script names',
      {
        'package.json': {
          scripts: { test: 'node --experimental-vm-modules node_modules/jest/bin/jest.js -c unit.config.js' },
        },
        'unit.config.js': `module.exports = { ${ENVIRONMENT} }`,
      },
      "on: testEnvironment in unit.config.js is 'portside/jest-environment'",
    ],
    ['by each project', config(`projects: [{ displayName: 'a', ${ENVIRONMENT} }, { ${ENVIRONMENT} }]`), ON],
    [
      'by projects that are files',
      { ...config("projects: ['<rootDir>/a.config.js']"), 'a.config.js': `module.exports = { preset: 'portside' }` },
      "on: preset in a.config.js is 'portside'",
    ],
  ])('%s', (_, given, expected) => {
    expect(summary('jest', given)).toBe(expected)
  })
})

describe('the check of Jest is not on', () => {
  it.each<[string, Given, string]>([
    ['without a configuration', { 'package.json': { devDependencies: { jest: '^30' } } }, 'not set up'],
    ['in comments', config(`// ${ENVIRONMENT}\n/* preset: 'portside' */`), 'not set up'],
    ['with the matchers only', config("setupFilesAfterEnv: ['portside/jest']"), 'not set up'],
    ['with a known preset', config("preset: 'ts-jest'"), 'not set up'],
    [
      'with the spread settings of a known preset',
      { 'jest.config.ts': "import { presets } from 'ts-jest/presets'\nexport default { ...presets }" },
      'not set up',
    ],
    [
      'with an unknown preset',
      config("preset: '@acme/jest'"),
      "unknown: preset in jest.config.js is '@acme/jest', a package, which portside does not read",
    ],
    [
      'with a file that is not JSON',
      { 'jest.config.json': '{ nope' },
      expect.stringMatching(/^unknown: jest\.config\.json is not valid JSON: /),
    ],
    [
      'with a file that cannot be read',
      { 'jest.config.js': { problem: 'cannot be read: EACCES' } },
      'unknown: jest.config.js cannot be read: EACCES',
    ],
    [
      'with folders as projects',
      config("projects: ['<rootDir>/packages/*']"),
      "unknown: jest.config.js has the project '<rootDir>/packages/*', which has its own configuration",
    ],
    [
      'with the environment as setup file',
      config("setupFilesAfterEnv: ['portside/jest-environment']"),
      `off | OFF setupFilesAfterEnv in jest.config.js has 'portside/jest-environment', which is for testEnvironment of Jest -> ${FIX}`,
    ],
    [
      'with the matchers in setupFiles',
      config("setupFiles: ['portside/jest']"),
      "off | OFF setupFiles in jest.config.js has 'portside/jest', which is for setupFilesAfterEnv of Jest -> write setupFilesAfterEnv: ['portside/jest']",
    ],
    [
      'with the matchers in setupFiles, and the environment',
      config(`setupFiles: ['portside/jest'], ${ENVIRONMENT}`),
      `${ON} | OFF setupFiles in jest.config.js has 'portside/jest', which is for setupFilesAfterEnv of Jest -> write setupFilesAfterEnv: ['portside/jest']`,
    ],
    [
      'with the entry of Vitest',
      config("setupFilesAfterEnv: ['portside/vitest/setup']"),
      `off | OFF setupFilesAfterEnv in jest.config.js has 'portside/vitest/setup', which is for setupFiles of Vitest -> ${FIX}`,
    ],
    [
      'with the matchers as environment',
      config("testEnvironment: 'portside/jest'"),
      `not set up | WRONG testEnvironment in jest.config.js is 'portside/jest', which is for setupFilesAfterEnv of Jest -> ${FIX}`,
    ],
    [
      'with the preset and another environment',
      config("preset: 'portside', testEnvironment: 'jsdom'"),
      `off | OFF testEnvironment in jest.config.js is 'jsdom', which replaces the environment of the preset 'portside' -> ${FIX}`,
    ],
    [
      'with another entry as preset',
      config("preset: 'portside/jest'"),
      "not set up | WRONG preset in jest.config.js is 'portside/jest', which Jest cannot find -> write preset: 'portside'",
    ],
    [
      'with options one level too high',
      config("preset: 'portside', testEnvironmentOptions: { leaks: 'warn' }"),
      "on: preset in jest.config.js is 'portside' | WRONG testEnvironmentOptions.leaks in jest.config.js is an option of portside in the wrong place -> write testEnvironmentOptions: { portside: { leaks: ... } }",
    ],
    [
      'with options at the top',
      config("preset: 'portside', leaks: 'warn'"),
      "on: preset in jest.config.js is 'portside' | WRONG leaks in jest.config.js is an option of portside in the wrong place -> write testEnvironmentOptions: { portside: { leaks: ... } }",
    ],
    [
      'with the environment at the root of projects',
      config(`${ENVIRONMENT}, projects: [{ displayName: 'a' }, {}]`),
      `off | OFF ${ON.slice(4)} does not apply to the projects 'a', 'number 2' -> ${FIX} in each of them`,
    ],
    [
      'with jest-jasmine2',
      config(`${ENVIRONMENT}, testRunner: 'jest-jasmine2'`),
      'off | OFF testRunner in jest.config.js is jest-jasmine2, which does not report tests to the environment -> remove testRunner',
    ],
    [
      'with another environment in every script',
      { ...config(ENVIRONMENT), 'package.json': { scripts: { test: 'jest --env=jsdom' } } },
      "off | OFF --env jsdom in the script 'test' replaces testEnvironment -> remove --env",
    ],
    [
      'with the wrong runner',
      config("runner: 'portside/jest-environment'"),
      "off | OFF runner in jest.config.js has 'portside/jest-environment', which is for testEnvironment of Jest -> write runner: 'portside/jest-runner'",
    ],
    [
      'with a host and no runner',
      config(`${ENVIRONMENT}, testEnvironmentOptions: { portside: { host: {} } }`),
      `${ON} | WRONG testEnvironmentOptions.portside.host in jest.config.js has no effect without the runner -> write runner: 'portside/jest-runner'`,
    ],
    [
      'with a host and the runner',
      config(`${ENVIRONMENT}, runner: 'portside/jest-runner', testEnvironmentOptions: { portside: { host: {} } }`),
      ON,
    ],
    ['with itself as a project', config("projects: ['<rootDir>/jest.config.js']"), 'not set up'],
    ['with itself as a preset', config("preset: './jest.config.js'"), 'not set up'],
    [
      'with two configurations',
      { ...config(ENVIRONMENT), 'package.json': { jest: {} } },
      `${ON} | WRONG Jest finds settings in package.json and in jest.config.js, so it does not start -> keep one of them`,
    ],
    [
      'with an environment of the project that extends nothing',
      { ...config("testEnvironment: './env.js'"), 'env.js': "require('portside/jest-environment')" },
      "unknown: env.js imports 'portside/jest-environment' but does not extend it",
    ],
  ])('%s', (_, given, expected) => {
    expect(summary('jest', given)).toEqual(expected)
  })

  it('without Jest', () => {
    expect(summary('jest', { 'package.json': { scripts: { test: 'echo jest && npm install jest' } } })).toBe('not used')
  })
})
