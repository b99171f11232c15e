import { execFileSync } from 'node:child_process'
import { cp, mkdtemp, open, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ImageRecord } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readPartitions } from '../../services/host/src/disks/gpt.ts'
import { TestInstallation } from './support/installation.ts'

let folder: string
let cacheDir: string
let installation: TestInstallation
let image: ImageRecord

/** The image’s folder in a cache of this test’s own, which a host writes into. */
const inCache = (...names: string[]): string => join(cacheDir, 'images', image.id, ...names)

beforeAll(async () => {
  const builder = await TestInstallation.create()
  await builder.start()
  const built = await builder.must<ImageRecord>('image', 'build')
  folder = await mkdtemp(join(tmpdir(), 'strongroom-image-cache-'))
  cacheDir = join(folder, 'cache')
  execFileSync('mkdir', ['-p', join(cacheDir, 'images')])
  execFileSync('cp', ['-r', '--sparse=always', '--reflink=auto', join(built.path, '..'), join(cacheDir, 'images')])
  await builder.remove()
  installation = await TestInstallation.create({ cacheDir })
  await installation.start()
  image = await installation.must<ImageRecord>('image', 'build')
}, 900_000)
afterAll(async () => {
  await installation.remove()
  await rm(folder, { recursive: true, force: true })
})

/** @returns the error of a VM’s creation */
async function refusal(): Promise<unknown> {
  const { json } = await installation.cli('vm', 'create', 'web')
  await installation.cli('vm', 'delete', 'web', '--yes')
  return (json as { error?: unknown }).error
}

describe('no VM is made of what a host wrote into the image cache (attack H29)', { timeout: 600_000 }, () => {
  it('into the root partition', async () => {
    const [, root] = (await readPartitions(inCache('disk.raw')))!
    const file = await open(inCache('disk.raw'), 'r+')
    const at = root!.offset + root!.sizeBytes - 4096
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, at)
    await file.write(Buffer.from('unit'), 0, 4, at)
    try {
      expect(JSON.stringify(await refusal())).toContain('ImageChanged')
    } finally {
      await file.write(buffer, 0, 4, at)
      await file.close()
    }
  })

  it('in place of the boot file', async () => {
    const boot = await readFile(inCache('boot.efi'))
    const changed = Buffer.from(boot)
    changed[changed.indexOf('console=ttyS0')]! ^= 1
    await writeFile(inCache('boot.efi'), changed)
    try {
      expect(JSON.stringify(await refusal())).toContain('ImageChanged')
    } finally {
      await writeFile(inCache('boot.efi'), boot)
    }
  })

  it('as a newer image, which is not even offered', async () => {
    const newer = join(cacheDir, 'images', 'reference-newer')
    await cp(inCache('image.json'), join(newer, 'image.json'))
    for (const name of ['disk.raw', 'boot.efi', 'db.pem']) await symlink(inCache(name), join(newer, name))
    const record = JSON.parse(await readFile(join(newer, 'image.json'), 'utf8')) as ImageRecord
    const builtAt = new Date(Date.now() + 1000).toISOString()
    await writeFile(join(newer, 'image.json'), JSON.stringify({ ...record, id: 'reference-newer', builtAt }))
    try {
      const listed = await installation.must<{ id: string }[]>('image', 'list')
      expect(listed.map(({ id }) => id)).toEqual([image.id])
    } finally {
      await rm(newer, { recursive: true })
    }
  })
})
