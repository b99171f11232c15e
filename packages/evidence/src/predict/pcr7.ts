import { ByteWriter } from '../bytes/byte-writer.ts'
import { digest, type HashName } from '../bytes/digest.ts'
import { parseGuid } from '../bytes/guid.ts'
import { extendAll, separatorDigest } from './pcr.ts'
import { efiVendor, variableData, type EfiVariable } from './variable-store.ts'

/** True when firmware that starts with these variables enforces Secure Boot: a platform key is enrolled and it is not switched off. */
export function secureBootEnabled(variables: EfiVariable[]): boolean {
  const enrolled = variableData(variables, 'PK', efiVendor.global).length > 0
  const enable = variableData(variables, 'SecureBootEnable', efiVendor.secureBootEnable)
  return enrolled && (enable.length === 0 || enable[0] === 1)
}

/** PCR 7 of a boot: what pcr7Digests gives, extended. */
export async function predictPcr7(o: {
  variables: EfiVariable[]
  authority: Uint8Array | undefined
}): Promise<Uint8Array> {
  return extendAll(await pcr7Digests(o))
}

/**
 * What the firmware extends into PCR 7, in order: Secure Boot's state, PK, KEK, db, dbx (dbt and dbr where they exist), the separator, then the db entry that
 * accepted the first image. Without Secure Boot nothing is checked and no authority is measured.
 * @param o.authority EFI_SIGNATURE_DATA from findAuthority
 */
export async function pcr7Digests(o: {
  variables: EfiVariable[]
  authority: Uint8Array | undefined
}): Promise<Uint8Array[]> {
  const enabled = secureBootEnabled(o.variables)
  const digests = [await measured('SecureBoot', efiVendor.global, Uint8Array.of(enabled ? 1 : 0))]
  for (const name of ['PK', 'KEK']) {
    digests.push(await measured(name, efiVendor.global, variableData(o.variables, name, efiVendor.global)))
  }
  for (const name of ['db', 'dbx']) {
    digests.push(
      await measured(name, efiVendor.imageSecurity, variableData(o.variables, name, efiVendor.imageSecurity)),
    )
  }
  for (const name of ['dbt', 'dbr']) {
    const data = variableData(o.variables, name, efiVendor.imageSecurity)
    if (data.length > 0) digests.push(await measured(name, efiVendor.imageSecurity, data))
  }
  digests.push(await separatorDigest())
  if (enabled && o.authority !== undefined) digests.push(await measured('db', efiVendor.imageSecurity, o.authority))
  return digests
}

/** Digest of UEFI_VARIABLE_DATA (TCG PC Client Platform Firmware Profile section 10.4.2). */
export function variableDigest(o: {
  name: string
  vendor: string
  data: Uint8Array
  hash?: HashName
}): Promise<Uint8Array> {
  const { name, vendor, data } = o
  const writer = new ByteWriter()
  writer.bytes(parseGuid(vendor)).u64le(BigInt(name.length)).u64le(BigInt(data.length))
  for (let index = 0; index < name.length; index++) writer.u16le(name.charCodeAt(index))
  return digest(o.hash ?? 'SHA-256', writer.bytes(data).finish())
}

function measured(name: string, vendor: string, data: Uint8Array): Promise<Uint8Array> {
  return variableDigest({ name, vendor, data })
}
