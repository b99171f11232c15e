import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ImageRecord } from '@strongroom/contract'
import { parsePem } from '@strongroom/evidence'
import {
  findAuthority,
  measureBootFile,
  measureVariables,
  parsePe,
  parseVariableStore,
  predictRegisters,
  secureBootEnabled,
  type BootFile,
  type BootPhase,
  type BootRegisters,
  type EfiVariable,
  type ImageMeasurements,
  type MeasuredVariables,
  type PeImage,
} from '@strongroom/evidence/expected'
import type { ImageKeys } from '../firmware/uefi-variables.ts'
import { imageFiles } from './image-files.ts'
import { measuresSettings, readsUnderFirmware, updatedAs } from './boot-file-fields.ts'
import { publisherName } from './publisher.ts'

/** SHA-256 PCRs that follow from an image and the VM's UEFI variables, before the VM's first boot. */
export interface ExpectedPcrs {
  /** When the initrd opens the disk: required to read its key. */
  atUnlock: BootRegisters
  /** When the guest reports: shown by its quote. */
  atReady: BootRegisters
  /** What the firmware's event log replays to: without the phases that systemd later adds to PCR 11. */
  firmwareLog: BootRegisters
}

/** Certificates (DER) of the image that go into db. */
export async function dbCertificates(image: Pick<ImageRecord, 'path'>): Promise<Uint8Array[]> {
  const text = await readFile(join(dirname(image.path), imageFiles.certificates), 'utf8')
  return text.trim() === '' ? [] : parsePem(text)
}

/** What makeUefiVariables enrols for VMs of this image. */
export async function imageKeys(image: Pick<ImageRecord, 'path'>): Promise<ImageKeys> {
  const db = await dbCertificates(image)
  return { db, publisher: (await updatesOf(image)) && db[0] }
}

/** Whose updates VMs of this image accept; nobody's if it names none, or if its publisher is not the signer in db. */
export async function updatesOf(
  image: Pick<ImageRecord, 'path'>,
): Promise<{ publisher: string; image: string } | undefined> {
  const [certificate, second] = await dbCertificates(image)
  if (certificate === undefined || second !== undefined) return undefined
  const name = await withBootFile(image, (boot) => Promise.resolve(updatedAs(boot)))
  return name === undefined ? undefined : { publisher: publisherName(certificate), image: name }
}

/** See measuresSettings, of the image's own boot file. */
export async function initrdMeasuresSettings(image: Pick<ImageRecord, 'path'>): Promise<boolean> {
  return await withBootFile(image, (boot) => Promise.resolve(measuresSettings(boot)))
}

/** See readsUnderFirmware, of the image's own boot file. */
export async function initrdReadsUnderFirmware(image: Pick<ImageRecord, 'path'>): Promise<boolean> {
  return await withBootFile(image, (boot) => Promise.resolve(readsUnderFirmware(boot)))
}

/** The entry of db by which firmware with these variables accepts the image's boot file; undefined where none does. */
export async function authorityOf(
  image: Pick<ImageRecord, 'path'>,
  variables: EfiVariable[],
): Promise<Uint8Array | undefined> {
  return await withBootFile(image, (boot) => Promise.resolve(findAuthority(variables, boot)?.slice()))
}

const sha256 = (...parts: Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/**
 * Predicts the PCRs of a boot.
 * @param o.variables content of the VM's flash file of UEFI variables
 * @param o.firmware PCR 0 of the firmware that is launched; omitted if none is
 * @param o.machine PCR 1 of the machine that the VM is to run on; omitted if nothing is to run
 * @param o.update what starts instead of the image's own boot file, signed by the same key
 */
export async function expectedPcrs(o: {
  image: Pick<ImageRecord, 'path'>
  variables: Uint8Array
  firmware?: Uint8Array
  machine?: Uint8Array | undefined
  update?: BootFile
}): Promise<ExpectedPcrs> {
  const parsed = parseVariableStore(o.variables)
  const secureBoot = secureBootEnabled(parsed)
  return await withBootFile(o.image, async (boot) => {
    const bootFile = o.update ?? (await measureBootFile({ image: boot, kernel: !secureBoot, sha256 }))
    const variables = await measureVariables({ variables: parsed, authority: findAuthority(parsed, boot) })
    const at = async (through?: BootPhase): Promise<BootRegisters> => ({
      ...(await predictRegisters({ bootFile, variables, secureBoot, machine: o.machine, through })),
      ...(o.firmware && { 0: o.firmware }),
    })
    return { atUnlock: await at('enter-initrd'), atReady: await at('ready'), firmwareLog: await at() }
  })
}

/**
 * Everything needed to predict the registers of an image's VMs, with Secure Boot and without.
 * @param o.variables content of the flash files that VMs of the image start with
 */
export async function measureImage(o: {
  image: Pick<ImageRecord, 'path' | 'id' | 'name' | 'version' | 'source'>
  variables: { on: Uint8Array; off: Uint8Array }
  at: Date
}): Promise<ImageMeasurements> {
  const { id, name, version, source } = o.image
  return await withBootFile(o.image, async (boot) => {
    const measured = async (flash: Uint8Array): Promise<MeasuredVariables> => {
      const variables = parseVariableStore(flash)
      return await measureVariables({ variables, authority: findAuthority(variables, boot) })
    }
    return {
      image: { id, name, version, source },
      measuredAt: o.at,
      bootFile: await measureBootFile({ image: boot, kernel: true, sha256 }),
      variables: { on: await measured(o.variables.on), off: await measured(o.variables.off) },
    }
  })
}

/** What starting the image's own boot file measures, with the kernel inside. */
export async function imageBootFile(image: Pick<ImageRecord, 'path'>): Promise<BootFile> {
  return await withBootFile(image, async (boot) => await measureBootFile({ image: boot, kernel: true, sha256 }))
}

async function withBootFile<T>(image: Pick<ImageRecord, 'path'>, use: (boot: PeImage) => Promise<T>): Promise<T> {
  const bytes = await readFile(join(dirname(image.path), imageFiles.boot))
  try {
    return await use(parsePe(bytes))
  } finally {
    // Some 65 MiB. An idle server collects no garbage, and would keep them.
    bytes.buffer.transfer(0)
  }
}

/** Measures a boot file that is to update an image. @param bytes detached afterwards */
export async function measureUpdate(bytes: Uint8Array): Promise<BootFile> {
  return await measureBootFile({ image: parsePe(bytes), kernel: true, sha256 })
}
