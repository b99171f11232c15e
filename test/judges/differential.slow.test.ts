import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { differential } from './differential.ts'
import { missingForGoJudge } from './go-judge.ts'

const missing = missingForGoJudge()

describe.skipIf(missing !== undefined)(
  'the command and another judge over the same altered files',
  { timeout: 600_000 },
  () => {
    it('differ only in ways that are explained', async () => {
      const found = await differential({ count: 1500, first: 50_000_001 })
      expect(found.unexplained).toEqual([])
      expect(found.judged).toBe(1500)
      // A verifier that refused everything would agree with nobody.
      expect(found.accepted).toBeGreaterThan(50)
      expect(found.sets).toBeGreaterThan(150)
      expect(found.acceptedSets).toBeGreaterThan(0)
    })

    it('are compared by the command that the page names', () => {
      const root = join(import.meta.dirname, '../..')
      const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
        scripts: Record<string, string>
      }
      expect(scripts['differential']).toContain('test/judges/run-differential.ts')
      expect(readFileSync(join(root, 'docs/proof/evidence.md'), 'utf8')).toContain('npm run differential')
    })
  },
)
