// Not run: compiled with each Vitest and each TypeScript, by `npm run consumers`. Nothing here imports Vitest.
import 'portside/vitest/setup'
