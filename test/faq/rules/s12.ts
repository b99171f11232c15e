import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Rule } from '../rule.ts'

export const s12: Rule = {
  id: 'S12',
  boots: ['snp'],
  async check(t) {
    const { installation } = await t.guest('snp')
    const path = join(installation.home, 'empty.raw')
    // With a master boot record's mark, and nothing else.
    const disk = Buffer.alloc(8 * 1024 ** 2)
    disk.set([0x55, 0xaa], 510)
    await writeFile(path, disk)
    const { code, json } = await installation.cli('image', 'import', path, '--name', 'empty')
    t.note('imported a disk without anything on it', `exit ${code}: ${JSON.stringify(json).slice(0, 300)}`)
    assert.notEqual(code, 0)
    assert.match(JSON.stringify(json), /NoPartitionTable/)
  },
}
