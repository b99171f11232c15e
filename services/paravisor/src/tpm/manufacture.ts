import { bindSettings, defineSetUp } from './settings-index.ts'
import { startSwtpm, stopSwtpm, tpmTool, type Swtpm } from './swtpm.ts'
import type { TpmDirectory } from './tpm-directory.ts'

/** Persistent handles, as in Azure's paravisor. */
export const handles = { srk: '0x81000001', ak: '0x81000003', ek: '0x81010001' } as const

/** Public parts only. */
export interface TpmIdentity {
  /** TPM2B_PUBLIC */
  srkPublic: Uint8Array
  akPublic: Uint8Array
  /** SubjectPublicKeyInfo */
  akSpki: Uint8Array
  ekSpki: Uint8Array
}

const fixed = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth'

/**
 * Creates a new TPM in an empty directory: SHA-256 bank only, storage root key, restricted signing key as attestation
 * key, and endorsement key. Each boot fills the indices (nv-indices.ts).
 * @param o.kept of a VM whose vTPM is kept: the digest of the settings that it is made with, if its disk does not bring its own
 */
export async function manufactureTpm(o: {
  directory: TpmDirectory
  kept?: { settings: Uint8Array | undefined }
}): Promise<TpmIdentity> {
  const tpm = await startSwtpm({ directory: o.directory, name: 'maker', startup: 'clear' })
  const context = o.directory.at('primary.context')
  const primary = async (hierarchy: string, algorithm: string, attributes: string, handle: string): Promise<void> => {
    await tpmTool(tpm, 'tpm2_createprimary', ['-Q', '-C', hierarchy, '-G', algorithm, '-a', attributes, '-c', context])
    await tpmTool(tpm, 'tpm2_evictcontrol', ['-Q', '-C', 'o', '-c', context, handle])
    await tpmTool(tpm, 'tpm2_flushcontext', ['-t'])
  }
  try {
    await primary('o', 'ecc256', `${fixed}|noda|restricted|decrypt`, handles.srk)
    await primary('e', 'rsa2048:rsassa-sha256:null', `${fixed}|noda|restricted|sign`, handles.ak)
    await tpmTool(tpm, 'tpm2_createek', ['-Q', '-G', 'rsa', '-c', handles.ek])
    await tpmTool(tpm, 'tpm2_flushcontext', ['-t'])
    // In force from the next start. Fewer banks mean fewer extends in firmware.
    await tpmTool(tpm, 'tpm2_pcrallocate', ['-Q', 'sha1:none+sha256:all+sha384:none+sha512:none'])
    if (o.kept !== undefined) {
      await bindSettings(tpm, o.kept.settings)
      await defineSetUp(tpm)
    }
    const identity = await readIdentity(tpm)
    await tpmTool(tpm, 'tpm2_shutdown', ['-c'])
    return identity
  } finally {
    await o.directory.drop('primary.context')
    await stopSwtpm(tpm)
  }
}

export async function readIdentity(tpm: Swtpm): Promise<TpmIdentity> {
  const read = async (handle: string, format: 'tss' | 'der'): Promise<Uint8Array> => {
    await tpmTool(tpm, 'tpm2_readpublic', ['-Q', '-c', handle, '-f', format, '-o', tpm.directory.at('public.key')])
    return await tpm.directory.take('public.key')
  }
  return {
    srkPublic: await read(handles.srk, 'tss'),
    akPublic: await read(handles.ak, 'tss'),
    akSpki: await read(handles.ak, 'der'),
    ekSpki: await read(handles.ek, 'der'),
  }
}
