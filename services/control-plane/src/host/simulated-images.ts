import { standInImage, type ImageRecord } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'

/** The image of simulated VMs: a name that requests can refer to, without a disk. */
export const simulatedImage: ImageRecord = {
  ...standInImage,
  path: '',
  sizeBytes: 2 * 2 ** 30,
  sha256: '',
  builtAt: '1970-01-01T00:00:00.000Z',
  source: 'reference',
  osType: 'Linux',
  qualifies: { confidential: true, diskEncryption: true, reasons: [] },
  os: { id: 'debian', versionId: '13', kernel: '' },
}

export const withoutImages = (): ServiceError =>
  new ServiceError({
    code: 'NoImages',
    message: 'Compute is simulated in this installation: images are not built, imported or booted.',
    remedy: 'Use an installation that boots guests.',
  })
