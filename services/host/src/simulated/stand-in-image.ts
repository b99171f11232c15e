import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { standInImage, type ImageRecord } from '@strongroom/contract'
import { run } from '@strongroom/platform'
import { imageFiles } from '@strongroom/paravisor/expected'
import { operatingSystem } from '../image/describe.ts'
import { parsePe } from '@strongroom/evidence/expected'

const stub = '/usr/lib/systemd/boot/efi/linuxx64.efi.stub'

/**
 * What a boot without a guest is predicted from: a signed unified kernel image whose kernel is systemd's stub, and
 * which is never started. Created once per cache, in a second: CI needs no operating-system image.
 */
export async function makeStandInImage(cacheDir: string): Promise<ImageRecord> {
  const directory = join(cacheDir, 'stand-in')
  if (!(await exists(join(directory, imageFiles.boot)))) await make(directory)
  return {
    ...standInImage,
    path: join(directory, imageFiles.disk),
    sizeBytes: 0,
    sha256: '',
    builtAt: '1970-01-01T00:00:00.000Z',
    source: 'reference',
    osType: 'Linux',
    qualifies: { confidential: true, diskEncryption: true, reasons: [] },
    os: operatingSystem(parsePe(await readFile(join(directory, imageFiles.boot)))),
  }
}

const exists = async (path: string): Promise<boolean> =>
  await readFile(path).then(
    () => true,
    () => false,
  )

/** Appears whole: two servers sharing the cache may create it at once, and the first one's stays. */
async function make(directory: string): Promise<void> {
  const partial = `${directory}.${process.pid}.partial`
  await rm(partial, { recursive: true, force: true })
  await mkdir(partial, { recursive: true, mode: 0o700 })
  try {
    const osRelease = join(partial, 'os-release')
    await writeFile(osRelease, 'ID=strongroom-stand-in\nVERSION_ID="1"\n')
    const { withNewKey } = await import('../image/signing-key.ts')
    await withNewKey(async (key) => {
      await run({
        command: '/usr/bin/python3',
        args: [
          '/usr/bin/ukify',
          'build',
          `--linux=${stub}`,
          '--cmdline=no guest runs',
          `--os-release=@${osRelease}`,
          '--uname=none',
          `--stub=${stub}`,
          `--secureboot-private-key=${key.keyPath}`,
          `--secureboot-certificate=${key.certificatePath}`,
          `--output=${join(partial, imageFiles.boot)}`,
        ],
        timeoutMs: 60_000,
      })
      await writeFile(join(partial, imageFiles.certificates), key.certificatePem)
    })
    await rm(osRelease)
    await rename(partial, directory).catch(async (error: unknown) => {
      if (!(await exists(join(directory, imageFiles.boot)))) throw error
    })
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}
