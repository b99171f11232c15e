import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { partitionTypes, readPartitions } from './gpt.ts'
import { inspectLuks } from './luks.ts'
import { repart } from './repart.ts'

let directory: string
let disk: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-gpt-'))
  disk = join(directory, 'disk.raw')
  const sized = (type: string, label: string): [string, string][] => [
    ...([
      ['Type', type],
      ['Label', label],
      ['SizeMinBytes', '1M'],
      ['SizeMaxBytes', '1M'],
    ] as [string, string][]),
  ]
  const partitions = [sized('esp', 'boot part'), sized('root-x86-64', 'root')]
  await repart({ disk, directory: join(directory, 'repart.d'), create: true, sizeBytes: 8 * 1024 ** 2, partitions })
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

describe('the partition table', () => {
  it('is read as systemd-repart wrote it', async () => {
    const partitions = await readPartitions(disk)
    expect(partitions?.map(({ type, name, sizeBytes }) => ({ type, name, sizeBytes }))).toEqual([
      { type: partitionTypes.esp, name: 'boot part', sizeBytes: 1024 ** 2 },
      { type: partitionTypes.rootX64, name: 'root', sizeBytes: 1024 ** 2 },
    ])
  })

  it('counts as absent as soon as one bit of its header or entries differs', async () => {
    const whole = await readFile(disk)
    const altered = join(directory, 'altered.raw')
    const spots = fc.oneof(fc.integer({ min: 512, max: 512 + 91 }), fc.integer({ min: 1024, max: 1024 + 255 }))
    await fc.assert(
      fc.asyncProperty(spots, fc.integer({ min: 0, max: 7 }), async (at, bit) => {
        const copy = Buffer.from(whole)
        copy[at] = (copy[at] ?? 0) ^ (1 << bit)
        await writeFile(altered, copy)
        expect(await readPartitions(altered)).toBeUndefined()
      }),
      { numRuns: 50 },
    )
  })

  it('counts as absent when the disk ends before a partition does', async () => {
    const short = join(directory, 'short.raw')
    await writeFile(short, (await readFile(disk)).subarray(0, 2 * 1024 ** 2))
    expect(await readPartitions(short)).toBeUndefined()
  })
})

describe('a root partition without LUKS', () => {
  it('does not pass for an encrypted one', async () => {
    expect(await inspectLuks(disk)).toBeUndefined()
  })
})
