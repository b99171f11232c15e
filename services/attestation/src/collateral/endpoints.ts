import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ServiceError, type Installation } from '@strongroom/platform'

/** Addresses of the vendors' services, or of a mirror of the same form. An absent one is never asked. */
export interface VendorEndpoints {
  /** AMD's Key Distribution Service, without `/vcek/v1/…`. */
  amd?: string
  /** Intel's Provisioning Certification Service, without `/tdx/certification/v4/…` and `/sgx/certification/v4/…`. */
  intel?: string
  /** Full address of the revocation list of Intel's root. */
  intelRootCrl?: string
}

const vendorsOwn: VendorEndpoints = {
  amd: 'https://kdsintf.amd.com',
  intel: 'https://api.trustedservices.intel.com',
  intelRootCrl: 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der',
}

export const endpointsFile = 'collateral-endpoints.json'
const names = ['amd', 'intel', 'intelRootCrl'] as const

/**
 * STATE/collateral-endpoints.json. By default a hardware installation asks the vendors and a simulated one asks nobody.
 * @throws ServiceError CollateralEndpointsInvalid
 */
export async function readVendorEndpoints(stateDir: string, mode: Installation['mode']): Promise<VendorEndpoints> {
  const path = join(stateDir, endpointsFile)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return mode === 'hardware' ? vendorsOwn : {}
  }
  return parseVendorEndpoints(text, path)
}

/** @throws ServiceError CollateralEndpointsInvalid */
export function parseVendorEndpoints(text: string, path: string): VendorEndpoints {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw invalid(path, 'JSON', 'another text', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(path, 'an object', typeof value)
  for (const [name, url] of Object.entries(value)) {
    if (!(names as readonly string[]).includes(name)) throw invalid(path, names.join(', '), name)
    if (!isEndpoint(url))
      throw invalid(path, 'an https address without user, query or fragment', `${name}: ${String(url)}`)
  }
  return value as VendorEndpoints
}

/** Plain HTTP only for a mirror on this machine. */
function isEndpoint(value: unknown): boolean {
  if (typeof value !== 'string' || !URL.canParse(value)) return false
  const url = new URL(value)
  const secure =
    url.protocol === 'https:' || (url.protocol === 'http:' && ['127.0.0.1', '[::1]'].includes(url.hostname))
  return secure && url.username === '' && url.password === '' && url.search === '' && url.hash === ''
}

function invalid(path: string, expected: string, found: string, cause?: unknown): ServiceError {
  return new ServiceError({
    code: 'CollateralEndpointsInvalid',
    message: `${path} does not contain addresses of collateral services.`,
    target: endpointsFile,
    expected,
    found: found.slice(0, 200),
    remedy: `For example { "amd": "${vendorsOwn.amd}", "intel": "${vendorsOwn.intel}" }; remove the file for the default.`,
    cause,
  })
}
