import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ImageRecord } from '@strongroom/contract'
import { imageFiles, publisher, type Publisher } from '@strongroom/paravisor/expected'
import { ServiceError, type Sealer } from '@strongroom/platform'
import { publisherKeyFile } from './catalog.ts'

const context = 'image/publisher-key'

export async function sealPublisherKey(sealer: Sealer, privateKey: KeyObject): Promise<Uint8Array> {
  return await sealer.seal(privateKey.export({ type: 'pkcs8', format: 'der' }), context)
}

/** @throws ServiceError PublisherKeyMissing if this installation did not build the image */
export async function openPublisher(o: {
  image: Pick<ImageRecord, 'id' | 'path'>
  sealer: Sealer
}): Promise<Publisher> {
  const directory = dirname(o.image.path)
  const certificatePem = await readFile(join(directory, imageFiles.certificates), 'utf8')
  try {
    const opened = await o.sealer.open(await readFile(join(directory, publisherKeyFile)), context)
    const privateKey = createPrivateKey({ key: Buffer.from(opened), format: 'der', type: 'pkcs8' })
    return publisher({ privateKey, certificatePem })
  } catch (cause) {
    throw new ServiceError({
      code: 'PublisherKeyMissing',
      message: `This installation has no key that signs updates of image ${o.image.id}.`,
      target: 'image',
      expected: 'an image that this installation built',
      found:
        'an image of an earlier version, an imported one, or one built into the same cache by another installation',
      remedy:
        'Build the image into a cache of this installation and create VMs from it, or sign the update with your own key.',
      cause,
    })
  }
}
