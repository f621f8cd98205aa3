import { describe, expect, it } from 'vitest'
import { type Given, lookAt } from './files.js'

const ENVIRONMENT = "testEnvironment: 'portside/jest-environment'"
// Vitest would obey the comment too, anywhere in a file.
const DOCBLOCK = `@${'jest'}-environment`
const config = (text: string): Given => ({ 'jest.config.js': `module.exports = {\n${text}\n}` })
const inManifest = (jest: object): Given => ({ 'package.json': { jest } })

describe('a note of Jest', () => {
  it.each<[string, Given, string]>([
    [
      'names projects that are not set up',
      config(`projects: [{ displayName: 'a', ${ENVIRONMENT} }, { displayName: 'b' }]`),
      "the check is not set up in the project 'b'",
    ],
    [
      'names test files with a docblock',
      {
        ...config(ENVIRONMENT),
        'src/a.test.js': `/**\n * ${DOCBLOCK} jsdom\n */`,
        'src/b.test.js': `/** ${DOCBLOCK} portside/jest-environment */`,
      },
      `test files with ${DOCBLOCK} are not checked, such as src/a.test.js`,
    ],
    [
      'says what forceExit hides',
      config(`${ENVIRONMENT}, forceExit: true`),
      'forceExit in jest.config.js hides what keeps the run alive',
    ],
    [
      'says what --forceExit hides',
      { ...config(ENVIRONMENT), 'package.json': { scripts: { test: 'jest --forceExit' } } },
      "--forceExit in the script 'test' hides what keeps the run alive",
    ],
    [
      'says where another environment is used',
      { ...config(ENVIRONMENT), 'package.json': { scripts: { test: 'jest', dom: 'jest --env jsdom' } } },
      "--env jsdom in the script 'dom' replaces testEnvironment, so nothing is checked there",
    ],
    [
      'says that the mode is off',
      config(`${ENVIRONMENT}, testEnvironmentOptions: { portside: { leaks: { mode: 'off' } } }`),
      "jest.config.js sets the mode of the leak check to 'off', so nothing is checked",
    ],
    [
      'says that the matchers are set up',
      config("setupFilesAfterEnv: ['portside/jest']"),
      "setupFilesAfterEnv has 'portside/jest': the matchers are set up",
    ],
    [
      'names the versions that are supported',
      { ...config(''), 'node_modules/jest/package.json': { version: '28.1.0' } },
      'portside supports Jest 29 and newer',
    ],
    [
      'says that the DOM has no check',
      config("testEnvironment: 'jsdom'"),
      "the check needs the Node environment, but testEnvironment is 'jsdom'",
    ],
  ])('%s', (_, given, note) => {
    expect(lookAt('jest', given)?.notes).toEqual([note])
  })
})

describe('the lines to add for Jest', () => {
  it.each<[string, Given, string, string]>([
    [
      'go into package.json',
      { 'package.json': { devDependencies: { jest: '30' } } },
      'package.json',
      '"jest": { "preset": "portside" }',
    ],
    [
      'go into the settings of package.json',
      inManifest({ verbose: true }),
      '"jest" in package.json',
      '"preset": "portside",',
    ],
    ['go into a file', config(''), 'jest.config.js', "preset: 'portside',"],
    [
      'name the environment if there is another preset',
      config("preset: 'ts-jest'"),
      'jest.config.js',
      `${ENVIRONMENT},`,
    ],
    ['are JSON in a JSON file', { 'jest.config.json': {} }, 'jest.config.json', '"preset": "portside",'],
    [
      'are a comment if jsdom is the environment',
      config("testEnvironment: 'jsdom'"),
      'each test file that opens sockets',
      `/** ${DOCBLOCK} portside/jest-environment */`,
    ],
  ])('%s', (_, given, addTo, line) => {
    expect(lookAt('jest', given)).toMatchObject({ check: 'not set up', addTo, add: [line] })
  })
})
