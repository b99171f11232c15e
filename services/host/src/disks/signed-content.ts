import type { ImageRecord } from '@strongroom/contract'
import { equal, toHex } from '@strongroom/evidence'
import type { BootFile, RootPartition } from '@strongroom/evidence/expected'
import { ServiceError } from '@strongroom/platform'

type Named = Pick<ImageRecord, 'name'>

/** What was just encrypted is what was signed about the image. @throws ServiceError ImageChanged */
export function requireRoot(image: Named, wanted: RootPartition, found: RootPartition): void {
  if (wanted.bytes !== found.bytes)
    throw imageChanged(image, 'root partition', { expected: `${wanted.bytes} bytes`, found: `${found.bytes} bytes` })
  if (!equal(wanted.sha256, found.sha256))
    throw imageChanged(image, 'root partition', { expected: wanted.sha256, found: found.sha256 })
}

/** The boot file that the disk's key is to be bound to is the signed one. @throws ServiceError ImageChanged */
export function requireBootFile(image: Named, wanted: BootFile, found: BootFile): void {
  const text = ({ loader, sections }: BootFile): string =>
    [toHex(loader), ...sections.map(({ name, sha256 }) => `${name} ${toHex(sha256)}`)].join(', ')
  if (text(wanted) !== text(found))
    throw imageChanged(image, 'boot file', { expected: wanted.loader, found: found.loader })
}

function imageChanged(
  { name }: Named,
  part: 'root partition' | 'boot file',
  o: Record<'expected' | 'found', Uint8Array | string>,
): ServiceError {
  const said = (value: Uint8Array | string): string => (typeof value === 'string' ? value : `SHA-256 ${toHex(value)}`)
  return new ServiceError({
    code: 'ImageChanged',
    message:
      `The ${part} of image ${name} differs from what was built or imported: somebody wrote into the image cache. ` +
      'No VM is made of it.',
    target: 'image',
    expected: said(o.expected),
    found: said(o.found),
    remedy: 'Remove the image’s folder from the cache, then build or import it again.',
  })
}
