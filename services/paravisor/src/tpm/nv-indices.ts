import { ProgramError, ServiceError } from '@strongroom/platform'
import { hexOf, nvIndexLength, nvIndices, parseNvPublic, platformCreate, type NvIndex } from './nv-index.ts'
import { tpmTool, type Swtpm } from './swtpm.ts'

/**
 * Fills the TPM's indices for one boot, zero-padded like Azure's. An index that the last boot's guest removed or
 * redefined is corrected first: whatever a guest did to its vTPM, it boots again.
 */
export async function writeNvIndices(o: {
  tpm: Swtpm
  hclReport: Uint8Array
  /** DER */
  akCertificate: Uint8Array
  /** DER */
  ekCertificate: Uint8Array
}): Promise<void> {
  const contents: [NvIndex, Uint8Array][] = [
    [nvIndices.hclReport, o.hclReport],
    [nvIndices.akCertificate, o.akCertificate],
    [nvIndices.ekCertificate, o.ekCertificate],
  ]
  for (const [{ index }, content] of contents) requireRoom(index, content)
  const defined = parseNvPublic((await tpmTool(o.tpm, 'tpm2_nvreadpublic', [])).toString())
  for (const [wanted, content] of contents) {
    const found = defined.get(wanted.index)
    const fits = found?.attributes === wanted.attributes && found.size === nvIndexLength
    if (!fits) await define(o.tpm, wanted, found !== undefined)
    await write(o, wanted, content).catch(async (error: unknown) => {
      if (!fits || !(error instanceof ProgramError)) throw error
      // The definition is right but it cannot be written: a guest set an authorisation.
      await define(o.tpm, wanted, true)
      await write(o, wanted, content)
    })
  }
}

function requireRoom(index: number, content: Uint8Array): void {
  if (content.length <= nvIndexLength) return
  throw new ServiceError({
    code: 'NvIndexTooSmall',
    message: `The content of NV index ${hexOf(index)} is too long.`,
    expected: `at most ${nvIndexLength} bytes`,
    found: `${content.length} bytes`,
  })
}

/**
 * The platform may remove any index; only the owner may define one that the owner can remove. If a guest locked the
 * owner out, the platform defines it: it stays readable.
 */
async function define(tpm: Swtpm, wanted: NvIndex, present: boolean): Promise<void> {
  const index = hexOf(wanted.index)
  if (present) await tpmTool(tpm, 'tpm2_nvundefine', ['-Q', '-C', 'p', index])
  const defineAs = async (hierarchy: string, attributes: number): Promise<void> => {
    const size = ['-s', String(nvIndexLength), '-a', hexOf(attributes)]
    await tpmTool(tpm, 'tpm2_nvdefine', ['-Q', '-C', hierarchy, index, ...size])
  }
  await defineAs(wanted.definedBy, wanted.attributes).catch(async (error: unknown) => {
    if (wanted.definedBy !== 'o' || !(error instanceof ProgramError)) throw error
    await defineAs('p', wanted.attributes + platformCreate)
  })
}

async function write(o: { tpm: Swtpm }, wanted: NvIndex, content: Uint8Array): Promise<void> {
  const index = hexOf(wanted.index)
  const padded = Buffer.alloc(nvIndexLength)
  padded.set(content)
  const file = await o.tpm.directory.give('nv.content', padded)
  try {
    const authorisation = wanted.writtenBy === 'p' ? 'p' : index
    await tpmTool(o.tpm, 'tpm2_nvwrite', ['-Q', '-C', authorisation, index, '-i', file])
  } finally {
    await o.tpm.directory.drop('nv.content')
  }
}
