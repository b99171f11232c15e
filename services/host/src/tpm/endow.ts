import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ServiceError } from '@strongroom/platform'
import { nvIndexLength, nvIndices } from './manufacture.ts'
import { tpmTool, type Swtpm } from './swtpm.ts'

/** Fills the TPM's indices for one boot: attestation report and AK certificate, padded with zeros as Azure pads them. */
export async function endowTpm(o: {
  tpm: Swtpm
  runtimeDir: string
  hclReport: Uint8Array
  akCertificate: Uint8Array
}): Promise<void> {
  await writeIndex(o.tpm, o.runtimeDir, nvIndices.hclReport, o.hclReport)
  await writeIndex(o.tpm, o.runtimeDir, nvIndices.akCertificate, o.akCertificate)
}

async function writeIndex(tpm: Swtpm, runtimeDir: string, index: string, content: Uint8Array): Promise<void> {
  if (content.length > nvIndexLength) {
    throw new ServiceError({
      code: 'NvIndexTooSmall',
      status: 500,
      message: `The content of NV index ${index} is too long.`,
      expected: `at most ${nvIndexLength} bytes`,
      found: `${content.length} bytes`,
    })
  }
  const padded = Buffer.alloc(nvIndexLength)
  padded.set(content)
  const file = join(runtimeDir, 'nv.content')
  await writeFile(file, padded, { mode: 0o600 })
  try {
    await tpmTool(tpm, 'tpm2_nvwrite', ['-Q', '-C', index, index, '-i', file])
  } finally {
    await rm(file, { force: true })
  }
}
