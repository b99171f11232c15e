import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { readPlan } from './plan.ts'

const plan = readPlan()
const order = new Map(plan.tests.map((path, index) => [path, index]))

/** One worker runs the plan's tests, with its files' sources replaced by instrumented ones. */
export default defineConfig({
  root: plan.root,
  resolve: { conditions: ['x-source'] },
  ssr: { resolve: { conditions: ['x-source'], externalConditions: ['x-source'] } },
  plugins: [
    {
      name: 'instrumented',
      enforce: 'pre',
      load: (id: string) => {
        const replaced = plan.sources[id.replace(/\?.*$/, '')]
        return replaced === undefined ? undefined : readFileSync(replaced, 'utf8')
      },
    },
  ],
  test: {
    include: plan.tests,
    // Its entries are keyed by each file's own text, not by the instrumented source that is loaded here.
    fsModuleCache: false,
    pool: 'forks',
    maxWorkers: 1,
    runner: join(import.meta.dirname, 'runner.ts'),
    reporters: [{}],
    // For the first run; with a mutant, the runner sets each test's limit.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 5_000 } },
    sequence: {
      sequencer: class {
        sort<T extends { moduleId: string }>(files: T[]): T[] {
          return files.toSorted((a, b) => order.get(a.moduleId)! - order.get(b.moduleId)!)
        }
        shard<T>(files: T[]): T[] {
          return files
        }
      },
    },
  },
})
