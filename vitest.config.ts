import { defineConfig } from 'vitest/config'

// Unit tests run beside the code; whole-system tests in test/ boot real VMs, share them, and so run one file at a time.
export default defineConfig({
  resolve: { conditions: ['x-source'] },
  ssr: { resolve: { conditions: ['x-source'], externalConditions: ['x-source'] } },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: [
            'packages/*/src/**/*.test.ts',
            'services/*/src/**/*.test.ts',
            'apps/*/src/**/*.test.ts',
            'test/{boundaries,browser,corpus,insider,judges}/**/*.test.ts',
          ],
          testTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'clients',
          include: ['test/clients/**/*.test.ts'],
          testTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 900_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
