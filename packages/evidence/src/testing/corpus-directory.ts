import { existsSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Real evidence with known outcomes (`MANIFEST.json`), kept beside the source tree: STRONGROOM_EVIDENCE_DIR, or
 * `shared/evidence` beside the tree. Without it, its tests are reported as skipped.
 */
export const corpusDirectory: string =
  process.env['STRONGROOM_EVIDENCE_DIR'] ?? join(import.meta.dirname, '../../../../../shared/evidence')

export const hasCorpus: boolean = existsSync(join(corpusDirectory, 'MANIFEST.json'))

if (!hasCorpus) {
  process.stderr.write(
    `skipped: no evidence at ${corpusDirectory} (set STRONGROOM_EVIDENCE_DIR to where MANIFEST.json lies)\n`,
  )
}
