import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ImageRecord } from '@strongroom/contract'
import { parsePe, type PeImage } from '@strongroom/evidence/expected'
import { imageFiles, releaseField, sectionText } from '@strongroom/paravisor/expected'

/** The record of an image whose disk and boot file are in `directory`. The boot file names the OS. */
export async function describeImage(o: {
  id: string
  name: string
  directory: string
  source: ImageRecord['source']
  qualifies: ImageRecord['qualifies']
}): Promise<ImageRecord> {
  const path = join(o.directory, imageFiles.disk)
  const os = operatingSystem(parsePe(await readFile(join(o.directory, imageFiles.boot))))
  const builtAt = new Date()
  return {
    id: o.id,
    name: o.name,
    // Azure's versions: three numbers.
    version: `${os.versionId.split('.')[0] ?? '0'}.0.${builtAt.toISOString().slice(0, 10).replaceAll('-', '')}`,
    path,
    sizeBytes: (await stat(path)).size,
    // A captured disk is as large as its VM's, and is never compared by digest.
    sha256: o.source === 'capture' ? '' : await sha256(path),
    builtAt: builtAt.toISOString(),
    source: o.source,
    osType: 'Linux',
    qualifies: o.qualifies,
    os,
  }
}

/** What a unified kernel image reports about itself in `.osrel` (os-release(5)) and `.uname`. */
export function operatingSystem(boot: PeImage): ImageRecord['os'] {
  return {
    id: releaseField(boot, 'ID'),
    versionId: releaseField(boot, 'VERSION_ID'),
    kernel: sectionText(boot, '.uname').trim(),
  }
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash)
  return hash.digest('hex')
}
