import { defineConfig } from 'vitest/config'

// Unit tests run beside the code; whole-system tests in test/ boot real VMs, which the tests of one file share.
export default defineConfig({
  resolve: { conditions: ['x-source'] },
  ssr: { resolve: { conditions: ['x-source'], externalConditions: ['x-source'] } },
  test: {
    // What comes in its own time is waited for as long as a busy machine may need.
    expect: { poll: { timeout: 60_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: [
            'packages/*/src/**/*.test.ts',
            'services/*/src/**/*.test.ts',
            'apps/*/src/**/*.test.ts',
            'test/{boundaries,browser,corpus,forged,insider,judges,mutation,packages,wycheproof}/**/*.test.ts',
          ],
          // What hangs ends; what is slow on a busy machine does not.
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'clients',
          include: ['test/clients/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          exclude: ['test/system/**/*.long.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 900_000,
          // A boot keeps one core busy under emulation. More at once would run into the guests' own time limits.
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: {
          name: 'long',
          include: ['test/system/**/*.long.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 900_000,
          maxWorkers: 2,
        },
      },
    ],
  },
})
