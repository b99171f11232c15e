import { ByteWriter } from '../../core/bytes/byte-writer.ts'
import { digest, type HashName } from '../../core/bytes/digest.ts'
import { parseGuid } from '../../core/bytes/guid.ts'
import { extendAll, separatorDigest } from './pcr.ts'
import { efiVendor } from '../../eventlog/efi-vendor.ts'
import { variableVendor } from './secure-boot-variables.ts'
import { variableData, type EfiVariable } from './variable-store.ts'

/**
 * True if firmware with these variables enforces Secure Boot: a platform key is enrolled and Secure Boot is not
 * switched off.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseVariableStore, secureBootEnabled } from '@strongroom/evidence/expected'
 *
 * const variables = parseVariableStore(await readFile('variables.fd'))
 * secureBootEnabled(variables) // => true
 * secureBootEnabled(variables.filter(({ name }) => name !== 'PK')) // => false
 */
export function secureBootEnabled(variables: EfiVariable[]): boolean {
  const enrolled = variableData(variables, 'PK', efiVendor.global).length > 0
  const enable = variableData(variables, 'SecureBootEnable', efiVendor.secureBootEnable)
  return enrolled && (enable.length === 0 || enable[0] === 1)
}

/**
 * PCR 7 of a boot with these variables. @param o.authority EFI_SIGNATURE_DATA from findAuthority
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { equal, parseEventLog, replay } from '@strongroom/evidence'
 * import { findAuthority, parsePe, parseVariableStore, predictPcr7 } from '@strongroom/evidence/expected'
 *
 * const variables = parseVariableStore(await readFile('variables.fd'))
 * const authority = findAuthority(variables, parsePe(await readFile('boot.efi')))
 * const predicted = await predictPcr7({ variables, authority })
 * const measured = await replay(parseEventLog(await readFile('event-log.bin')), 'sha256')
 * equal(predicted, measured.get(7) ?? new Uint8Array()) // => true
 */
export async function predictPcr7(o: {
  variables: EfiVariable[]
  authority: Uint8Array | undefined
}): Promise<Uint8Array> {
  return extendAll(await pcr7DigestsOf(await measureVariables(o), secureBootEnabled(o.variables)))
}

/** Digests of what the firmware measures about the variables that control Secure Boot. */
export interface MeasuredVariables {
  /** PK, KEK, db, dbx; then dbt and dbr if they exist. */
  variables: { name: MeasuredName; sha256: Uint8Array }[]
  /** The db entry that accepts the first image. */
  authority?: Uint8Array | undefined
}

/** In the order in which the firmware measures them; the last two only if they exist. */
export const secureBootVariables = ['PK', 'KEK', 'db', 'dbx', 'dbt', 'dbr'] as const
type MeasuredName = (typeof secureBootVariables)[number]
const optional: readonly MeasuredName[] = ['dbt', 'dbr']

/**
 * @param o.authority EFI_SIGNATURE_DATA from findAuthority
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { measureVariables, parseVariableStore } from '@strongroom/evidence/expected'
 *
 * const variables = parseVariableStore(await readFile('variables.fd'))
 * const measured = await measureVariables({ variables, authority: undefined })
 * measured.variables.map(({ name }) => name) // => ['PK', 'KEK', 'db', 'dbx']
 */
export async function measureVariables(o: {
  variables: EfiVariable[]
  authority: Uint8Array | undefined
}): Promise<MeasuredVariables> {
  const measured: MeasuredVariables['variables'] = []
  for (const name of secureBootVariables) {
    const vendor = variableVendor(name)
    const data = variableData(o.variables, name, vendor)
    if (data.length === 0 && optional.includes(name)) continue
    measured.push({ name, sha256: await variableDigest({ name, vendor, data }) })
  }
  if (o.authority === undefined) return { variables: measured }
  const authority = await variableDigest({ name: 'db', vendor: efiVendor.imageSecurity, data: o.authority })
  return { variables: measured, authority }
}

/**
 * What the firmware extends into PCR 7, in order: Secure Boot's state, PK, KEK, db, dbx (dbt and dbr if they exist),
 * the separator, then the db entry that accepted the first image. Without Secure Boot nothing is checked and no
 * authority is measured.
 */
export async function pcr7DigestsOf(measured: MeasuredVariables, secureBoot: boolean): Promise<Uint8Array[]> {
  const data = Uint8Array.of(secureBoot ? 1 : 0)
  return [
    await variableDigest({ name: 'SecureBoot', vendor: efiVendor.global, data }),
    ...measured.variables.map(({ sha256 }) => sha256),
    await separatorDigest(),
    ...(secureBoot && measured.authority !== undefined ? [measured.authority] : []),
  ]
}

/**
 * Digest of UEFI_VARIABLE_DATA (TCG PC Client Platform Firmware Profile section 10.4.2).
 * @example
 * import { variableDigest, variableVendor } from '@strongroom/evidence/expected'
 *
 * const digest = await variableDigest({ name: 'dbx', vendor: variableVendor('dbx'), data: new Uint8Array(76) })
 * digest.length // => 32
 */
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
