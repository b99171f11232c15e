import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { Failures } from './test/failures.ts'
import { Sequencer } from './test/sequencer.ts'

/** Tests that npm test leaves to `npm run test:all` and `npm run test:long`. */
const left = ['**/*.slow.test.ts', '**/*.long.test.ts']
/** Hangs fail; slow tests on a busy machine do not. */
const patience = { testTimeout: 120_000, hookTimeout: 120_000 }
/**
 * Longer than the host waits for a boot (600 s) and longer than a test's commands may take: these report what hung, a
 * test's limit does not.
 */
const bootPatience = { testTimeout: 720_000, hookTimeout: 900_000 }
const unit = [
  'packages/*/src/**/*.test.ts',
  'services/*/src/**/*.test.ts',
  'apps/*/src/**/*.test.ts',
  'test/{boundaries,cli,corpus,cures,fleet,forged,insider,judges,mutation,packages,wycheproof}/**/*.test.ts',
]
/**
 * Tests that each need a separate process: those that replace modules, load PKCS#11 modules, start whole servers, or
 * attack one from inside. All others leave their process unchanged, so a worker loads modules once for all its files,
 * which takes half of the processor time.
 */
const isolated = [
  'services/host/src/{agent/guests,confinement,instances}/**/*.test.ts',
  'services/host/src/qemu/running-guest.test.ts',
  'services/paravisor/src/{guest,release}/**/*.test.ts',
  'services/host/src/network/names/{proxy-target,guest-names}.test.ts',
  'services/vault/src/{attestation,keystore}/**/*.test.ts',
  'apps/strongroomd/src/**/*.test.ts',
  'test/insider/**/*.test.ts',
]
/** One more than cores: tests that start programs and wait for them would leave a fifth of the processor time unused. */
const workers = availableParallelism() + 1
/** A boot keeps one core busy under emulation. More at once would exceed the guests' own time limits. */
const boots = 2

// Unit tests are kept beside the code; whole-system tests in test/ boot real VMs, which the tests of one file share.
export default defineConfig({
  resolve: { conditions: ['x-source'] },
  ssr: { resolve: { conditions: ['x-source'], externalConditions: ['x-source'] } },
  test: {
    // Polls wait as long as a busy machine may need.
    expect: { poll: { timeout: 60_000 } },
    sequence: { sequencer: Sequencer },
    reporters: ['default', new Failures()],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: isolated,
          exclude: left,
          maxWorkers: workers,
          ...patience,
        },
      },
      {
        extends: true,
        test: {
          name: 'unit-shared',
          include: unit,
          exclude: [...left, ...isolated],
          isolate: false,
          maxWorkers: workers,
          ...patience,
        },
      },
      {
        extends: true,
        test: {
          name: 'clients',
          include: ['test/clients/**/*.test.ts'],
          exclude: left,
          maxWorkers: workers,
          ...patience,
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          exclude: left,
          maxWorkers: boots,
          ...bootPatience,
        },
      },
      {
        extends: true,
        test: {
          name: 'slow',
          include: ['{packages,services,apps}/*/src/**/*.slow.test.ts', 'test/**/*.slow.test.ts'],
          maxWorkers: boots,
          ...bootPatience,
        },
      },
      {
        extends: true,
        test: { name: 'long', include: ['test/**/*.long.test.ts'], maxWorkers: boots, ...bootPatience },
      },
    ],
  },
})
