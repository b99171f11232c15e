/**
 * Vendors of the variables that decide Secure Boot (UEFI 2.10 sections 3.3 and 32.4; EDK II SecurityPkg).
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { efiVendor, parseVariableStore, variableData } from '@strongroom/evidence/expected'
 *
 * const variables = parseVariableStore(await readFile('variables.fd'))
 * variableData(variables, 'db', efiVendor.imageSecurity).length > 0 // => true
 */
export const efiVendor = {
  global: '8be4df61-93ca-11d2-aa0d-00e098032b8c',
  imageSecurity: 'd719b2cb-3d3a-4596-a3bc-dad00e67656f',
  secureBootEnable: 'f0a30bc7-af08-4556-99c4-001009c93a44',
} as const
