import { collateralPaths } from '@strongroom/contract'

/** Path of the authorities that an item of AMD's is judged by; undefined for items of others. */
export function amdAuthoritiesPath(path: string): string | undefined {
  const [, signer, product] = /^\/(vcek|vlek)\/v1\/([A-Za-z]+)\//.exec(path) ?? []
  return signer === undefined || product === undefined
    ? undefined
    : collateralPaths.snpCertificateChain(product).replace('/vcek/', `/${signer}/`)
}

/** Path of what has to be there before an item of this path can be judged. */
export function judgedBy(path: string): string | undefined {
  if (path === collateralPaths.tdxRootRevocationList) return collateralPaths.tdxQeIdentity
  const authorities = amdAuthoritiesPath(path)
  return authorities === path ? undefined : authorities
}
