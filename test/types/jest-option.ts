// Not run: compiled with each Jest and each TypeScript, by `npm run consumers`, where the option `types` has portside/jest.
exactly<void>()(expect(new Error()).toBeConnectionRefused())
