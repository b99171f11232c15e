import { collateralPaths } from '@strongroom/contract'

/** Path of the authorities that verify an item of AMD's; undefined for other items. */
export function amdAuthoritiesPath(path: string): string | undefined {
  const [, signer, product] = /^\/(vcek|vlek)\/v1\/([A-Za-z]+)\//.exec(path) ?? []
  return signer === undefined || product === undefined
    ? undefined
    : collateralPaths.snpCertificateChain(product).replace('/vcek/', `/${signer}/`)
}

/** Path of what must be available to verify an item of this path. */
export function verifiedWith(path: string): string | undefined {
  if (path === collateralPaths.tdxRootRevocationList) return collateralPaths.tdxQeIdentity
  const authorities = amdAuthoritiesPath(path)
  return authorities === path ? undefined : authorities
}
