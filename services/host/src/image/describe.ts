import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ImageRecord } from '@strongroom/contract'
import { parsePe, type PeImage } from '@strongroom/evidence/expected'
import { imageFiles } from './catalog.ts'
import { diskKeyField, updatesField } from './recipe.ts'

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
    kernel: text(boot, '.uname').trim(),
  }
}

/** True if the kernel image states that its initrd takes the OS disk's key from the vTPM. */
export function opensWithVtpmKey(boot: PeImage): boolean {
  return releaseField(boot, diskKeyField.name) === diskKeyField.value
}

/** Name under which the kernel image accepts updates; undefined if it accepts none. */
export function updatedAs(boot: PeImage): string | undefined {
  return releaseField(boot, updatesField) || undefined
}

function releaseField(boot: PeImage, key: string): string {
  return (
    new RegExp(`^${key}=(?:"([^"\n]*)"|'([^'\n]*)'|(.*))$`, 'm')
      .exec(text(boot, '.osrel'))
      ?.slice(1)
      .find((part) => part !== undefined) ?? ''
  )
}

function text(boot: PeImage, section: string): string {
  const found = boot.sections.find((candidate) => candidate.name === section)
  return found === undefined ? '' : new TextDecoder().decode(found.data).replace(/\0[^]*$/, '')
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash)
  return hash.digest('hex')
}
