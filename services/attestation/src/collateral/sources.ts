import { ServiceError, systemClock, type Clock, type WireClient } from '@strongroom/platform'
import type { FetchedCollateral } from './collateral-item.ts'
import type { VendorEndpoints } from './endpoints.ts'
import { kindOf } from './kinds.ts'
import { getFromVendor } from './vendor-client.ts'

/** `installation`: the installation's own silicon. `vendors`: AMD and Intel, or what was imported from them. */
export type SourceName = 'installation' | 'vendors'

/** Where collateral comes from. */
export interface CollateralSource {
  name: SourceName
  /** For display: the addresses asked; empty if there are none. */
  endpoints: string[]
  /** False if this source is never asked for the path: then only imported items are used. */
  asks(path: string): boolean
  /** Undefined if the source has none. Throws if it does not answer. */
  fetch(path: string): Promise<FetchedCollateral | undefined>
}

/** The service at `baseUrl`, which endorses the installation's own processors. */
export function installationSource(o: { wire: WireClient; baseUrl: string }): CollateralSource {
  const baseUrl = o.baseUrl.replace(/\/$/, '')
  return {
    name: 'installation',
    endpoints: [baseUrl],
    asks: () => true,
    fetch: async (path) => {
      const url = `${baseUrl}${path}`
      try {
        const answer = await o.wire.request<Uint8Array>({ method: 'GET', url, accept: 'bytes', timeoutMs: 10_000 })
        return { body: Uint8Array.from(answer.body), headers: answer.headers }
      } catch (error) {
        if (error instanceof ServiceError && error.status === 404) return undefined
        throw error
      }
    },
  }
}

/**
 * AMD's Key Distribution Service and Intel's Provisioning Certification Service, each if an address is set. One that
 * reports too many requests is left alone for as long as it asks: anybody can send reports of made-up chips, and each
 * causes a request.
 */
export function vendorSource(endpoints: VendorEndpoints, clock: Clock = systemClock): CollateralSource {
  const addressOf = (path: string): string | undefined => {
    const kind = kindOf(path)
    if (kind === undefined) return undefined
    if (path === '/sgx/certification/v4/rootcacrl') return endpoints.intelRootCrl
    const base = endpoints[kind.vendor]
    return base === undefined ? undefined : `${base.replace(/\/$/, '')}${path}`
  }
  /** By host: what it answered, and until when that applies. */
  const leftAlone = new Map<string, { until: number; error: ServiceError }>()
  return {
    name: 'vendors',
    endpoints: Object.values(endpoints).filter((url): url is string => url !== undefined),
    asks: (path) => addressOf(path) !== undefined,
    fetch: async (path) => {
      const address = addressOf(path)
      if (address === undefined) return undefined
      const { host } = new URL(address)
      const busy = leftAlone.get(host)
      if (busy !== undefined && clock.now().getTime() < busy.until) throw busy.error
      try {
        return await getFromVendor(address)
      } catch (error) {
        const wait = error instanceof ServiceError ? Number(error.headers?.['retry-after']) : Number.NaN
        if (wait > 0) leftAlone.set(host, { until: clock.now().getTime() + wait * 1000, error: error as ServiceError })
        throw error
      }
    },
  }
}
