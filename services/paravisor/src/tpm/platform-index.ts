import { hexOf, parseNvPublic } from './nv-index.ts'
import { tpmTool, type Swtpm } from './swtpm.ts'

/** An index that the platform defines and writes before power-on, so that no guest removes it. */
export interface PlatformIndex {
  index: number
  bytes: number
  /** TPMA_NV: by name, as tpm2-tools spell them, or hexadecimal. */
  attributes: string
}

export async function readIndex(tpm: Swtpm, { index }: PlatformIndex): Promise<Buffer> {
  return await tpmTool(tpm, 'tpm2_nvread', ['-C', 'p', hexOf(index)])
}

/** Under its number a guest may have put an index of its own, which is removed. @param wanted attributes in hexadecimal */
export async function ensureDefined(tpm: Swtpm, wanted: PlatformIndex): Promise<void> {
  const found = parseNvPublic((await tpmTool(tpm, 'tpm2_nvreadpublic', [])).toString()).get(wanted.index)
  if (found !== undefined && hexOf(found.attributes) === wanted.attributes && found.size === wanted.bytes) return
  if (found !== undefined) await undefine(tpm, wanted)
  await define(tpm, wanted)
}

/** @param policy digest of what a boot has to satisfy where the attributes name a policy */
export async function define(
  tpm: Swtpm,
  { index, bytes, attributes }: PlatformIndex,
  policy?: Uint8Array,
): Promise<void> {
  const args = ['-Q', '-C', 'p', hexOf(index), '-s', String(bytes), '-a', attributes]
  if (policy !== undefined) args.push('-L', await tpm.directory.give('policy', policy))
  try {
    await tpmTool(tpm, 'tpm2_nvdefine', args)
  } finally {
    if (policy !== undefined) await tpm.directory.drop('policy')
  }
}

export async function undefine(tpm: Swtpm, { index }: Pick<PlatformIndex, 'index'>): Promise<void> {
  await tpmTool(tpm, 'tpm2_nvundefine', ['-Q', '-C', 'p', hexOf(index)])
}

/** Content shorter than the index is padded with zeros. */
export async function write(tpm: Swtpm, { index, bytes }: PlatformIndex, content: Uint8Array): Promise<void> {
  const padded = Buffer.alloc(bytes)
  padded.set(content)
  const file = await tpm.directory.give('nv.content', padded)
  try {
    await tpmTool(tpm, 'tpm2_nvwrite', ['-Q', '-C', 'p', hexOf(index), '-i', file])
  } finally {
    await tpm.directory.drop('nv.content')
  }
}
