import { efiVendor } from '../../eventlog/efi-vendor.ts'
import type { EfiVariable } from './variable-store.ts'

/**
 * What decides which boot files start, and what signed updates change.
 * @example
 * import { secureBootVariableNames } from '@strongroom/evidence/expected'
 *
 * secureBootVariableNames.join() // => 'PK,KEK,db,dbx'
 */
export const secureBootVariableNames = ['PK', 'KEK', 'db', 'dbx'] as const
export type SecureBootVariable = (typeof secureBootVariableNames)[number]

/**
 * GUID of any of Secure Boot's variables, dbt and dbr as well.
 * @example
 * import { efiVendor, variableVendor } from '@strongroom/evidence/expected'
 *
 * variableVendor('dbx') === efiVendor.imageSecurity // => true
 */
export const variableVendor = (name: string): string =>
  name === 'PK' || name === 'KEK' ? efiVendor.global : efiVendor.imageSecurity

/** EFI_VARIABLE_NON_VOLATILE, _BOOTSERVICE_ACCESS, _RUNTIME_ACCESS and _TIME_BASED_AUTHENTICATED_WRITE_ACCESS. */
export const authenticatedAttributes = 0x27

/** Content of one of them. */
interface VariableContent {
  /** Signature lists; empty where there is no such variable. */
  data: Uint8Array
  /** EFI_TIME of the last write. */
  timestamp: Uint8Array
}
export type SecureBootState = Readonly<Record<SecureBootVariable, VariableContent>>

/**
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseSignatureLists, parseVariableStore, secureBootState } from '@strongroom/evidence/expected'
 *
 * const { KEK } = secureBootState(parseVariableStore(await readFile('variables.fd')))
 * parseSignatureLists(KEK.data).length // => 2
 */
export function secureBootState(variables: readonly EfiVariable[]): SecureBootState {
  const of = (name: SecureBootVariable): VariableContent => {
    const found = variables.find((each) => each.name === name && each.vendor === variableVendor(name))
    return { data: found?.data ?? new Uint8Array(), timestamp: found?.timestamp ?? new Uint8Array(16) }
  }
  return { PK: of('PK'), KEK: of('KEK'), db: of('db'), dbx: of('dbx') }
}

/**
 * The variables that there are, as a store holds them.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseVariableStore, secureBootState, variablesOfState } from '@strongroom/evidence/expected'
 *
 * const state = secureBootState(parseVariableStore(await readFile('variables.fd')))
 * variablesOfState(state).map(({ name }) => name) // => ['PK', 'KEK', 'db', 'dbx']
 */
export function variablesOfState(state: SecureBootState): EfiVariable[] {
  return secureBootVariableNames
    .filter((name) => state[name].data.length > 0)
    .map((name) => ({ name, vendor: variableVendor(name), attributes: authenticatedAttributes, ...state[name] }))
}
