import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { repart } from '../../../services/host/src/disks/repart.ts'
import type { Rule } from '../rule.ts'

export const s12: Rule = {
  id: 'S12',
  boots: ['snp'],
  async check(t) {
    const { installation } = await t.guest('snp')
    const empty = join(installation.home, 'empty.raw')
    // Only a master boot record's mark.
    const disk = Buffer.alloc(8 * 1024 ** 2)
    disk.set([0x55, 0xaa], 510)
    await writeFile(empty, disk)
    const bare = join(installation.home, 'bare.raw')
    await repart({
      disk: bare,
      directory: join(installation.home, 'bare.d'),
      create: true,
      partitions: [
        [
          ['Type', 'linux-generic'],
          ['SizeMinBytes', '4M'],
          ['SizeMaxBytes', '4M'],
        ],
      ],
    })
    for (const [what, path, missing] of [
      ['a disk without anything on it', empty, ['NoPartitionTable']],
      ['a disk with one partition for data', bare, ['NoRootPartition', 'NoEfiSystemPartition']],
    ] as const) {
      const { code, json } = await installation.cli('image', 'import', path, '--name', 'unfit')
      const { error } = json as { error: { code: string; details: { code: string; target?: string }[] } }
      t.note(`imported ${what}`, `exit ${code}, ${error.code}: ${error.details.map((each) => each.code).join(', ')}`)
      assert.notEqual(code, 0)
      assert.equal(error.code, 'ImageNotQualified')
      const rules = error.details.filter((each) => each.code === 'FaqRule')
      assert.deepEqual(
        error.details.filter((each) => !rules.includes(each)).map((each) => each.code),
        missing,
      )
      assert.deepEqual(
        rules.map(({ target }) => target),
        ['S12'],
      )
    }
  },
}
