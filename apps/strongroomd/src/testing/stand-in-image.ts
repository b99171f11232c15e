import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { standInImage } from '@strongroom/contract'
import { signStandIn } from '@strongroom/host/testing'
import type { ServiceContext } from '@strongroom/platform'

const image = { ...standInImage, id: 'stand-in' }

/** An image as in the cache that could never boot, signed as if it were built here. @returns its id */
export async function layStandInImage(o: Pick<ServiceContext, 'cacheDir' | 'stateDir' | 'sealer'>): Promise<string> {
  const { cacheDir } = o
  const directory = join(cacheDir, 'images', image.id)
  await mkdir(directory, { recursive: true })
  for (const name of ['disk.raw', 'boot.efi', 'db.pem']) await writeFile(join(directory, name), `the ${name}`)
  await writeFile(
    join(directory, 'image.json'),
    JSON.stringify({
      ...image,
      path: '',
      sizeBytes: 10,
      sha256: '',
      builtAt: '2026-01-01T00:00:00.000Z',
      source: 'reference',
      osType: 'Linux',
      qualifies: { confidential: true, diskEncryption: true, reasons: [] },
      os: { id: 'debian', versionId: '13', kernel: '' },
    }),
  )
  await signStandIn(o, image)
  return image.id
}
