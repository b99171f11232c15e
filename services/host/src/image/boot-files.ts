import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ImageRecord } from '@strongroom/contract'
import { parsePem } from '@strongroom/evidence'
import {
  findAuthority,
  nothingPassed,
  parsePe,
  parseVariableStore,
  predictPcr11,
  predictPcr4,
  predictPcr7,
  secureBootEnabled,
  type BootRegisters,
} from '@strongroom/evidence/expected'
import { imageFiles } from './catalog.ts'

/** SHA-256 PCRs that follow from an image and the VM's UEFI variables, before the VM ever ran. */
export interface ExpectedPcrs {
  /** When the initrd opens the disk: what reads the disk's key. */
  atUnlock: BootRegisters
  /** When the guest reports: what its quote shows. */
  atReady: BootRegisters
  /** What the firmware's event log replays to: without the phases that systemd adds to PCR 11 later. */
  firmwareLog: BootRegisters
}

/** Certificates (DER) that makeUefiVariables puts into db for this image. */
export async function dbCertificates(image: ImageRecord): Promise<Uint8Array[]> {
  const text = await readFile(join(dirname(image.path), imageFiles.certificates), 'utf8')
  return text.trim() === '' ? [] : parsePem(text)
}

const sha256 = (...parts: Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/**
 * Predicts the PCRs of a boot.
 * @param o.variables content of the VM's flash file of UEFI variables
 */
export async function expectedPcrs(o: {
  image: Pick<ImageRecord, 'path'>
  variables: Uint8Array
}): Promise<ExpectedPcrs> {
  const bytes = await readFile(join(dirname(o.image.path), imageFiles.boot))
  try {
    const boot = parsePe(bytes)
    const variables = parseVariableStore(o.variables)
    const pcr4 = await predictPcr4({ image: boot, secureBoot: secureBootEnabled(variables), sha256 })
    const pcr7 = await predictPcr7({ variables, authority: findAuthority(variables, boot) })
    return {
      atUnlock: { 4: pcr4, 7: pcr7, 11: await predictPcr11(boot, 'enter-initrd'), ...nothingPassed },
      atReady: { 4: pcr4, 7: pcr7, 11: await predictPcr11(boot, 'ready'), ...nothingPassed },
      firmwareLog: { 4: pcr4, 7: pcr7, 11: await predictPcr11(boot), ...nothingPassed },
    }
  } finally {
    // Some 65 MiB. A server that idles makes no garbage, and so would keep them for as long as it does.
    bytes.buffer.transfer(0)
  }
}
