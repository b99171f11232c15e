import { collateralChainHeaders, collateralPaths } from '@strongroom/contract'
import {
  checkCertificates,
  checkCollateral,
  checkCrl,
  parsePem,
  type TrustAnchor,
  type TrustAnchors,
} from '@strongroom/evidence'
import { amdAuthoritiesPath } from './verified-with.ts'
import { chainOf } from './intel.ts'
import { textOf } from '../core/text.ts'
import type { BundledItem, Refusal } from './read-bundle.ts'

type Check = Awaited<ReturnType<typeof checkCrl>>

interface Context {
  /** What the item may be verified with. */
  items: readonly BundledItem[]
  anchors: TrustAnchors
  at: Date
}

/**
 * Whether every item is signed under these roots and current. What other items are verified with (AMD's authorities, the
 * root of Intel's chains) comes from the bundle itself, so that a bundle is complete.
 */
export async function verifyBundle(o: Context): Promise<Refusal[]> {
  const refusals: Refusal[] = []
  for (const item of o.items) refusals.push(...(await verifyItem(item, o)))
  return refusals
}

/** Why an item is refused: in a bundle, or as a source's answer. */
export async function verifyItem(item: BundledItem, o: Context): Promise<Refusal[]> {
  const { path, kind, expiresAt } = item
  const refusals: Refusal[] = []
  const check = await verify(item, o).catch((error: unknown) => (error as Error).message)
  if (typeof check === 'string') refusals.push({ path, expected: kind.name, found: check })
  else {
    const failed = firstFailure(check)
    if (failed !== undefined)
      refusals.push({ path, expected: failed.expected ?? failed.shows, found: failed.message ?? failed.id })
  }
  if (expiresAt <= o.at)
    refusals.push({
      path,
      expected: `one that is valid at ${o.at.toISOString()}`,
      found: `one that ended at ${expiresAt.toISOString()}`,
    })
  return refusals
}

/** A skipped check proves nothing, so it fails here. */
function firstFailure(check: Check): Check | undefined {
  if (check.children.length === 0) return check.outcome === 'passed' || check.optional === true ? undefined : check
  for (const child of check.children) {
    const failed = firstFailure(child)
    if (failed !== undefined) return failed
  }
  return undefined
}

async function verify(item: BundledItem, o: Context): Promise<Check> {
  const own = item.kind.pathOf?.(item.body)
  if (own !== undefined && own !== item.path) throw new Error(`it belongs under ${own}`)
  return item.kind.vendor === 'amd' ? await verifyAmd(item, o) : await verifyIntel(item, o)
}

async function verifyAmd(item: BundledItem, o: Context): Promise<Check> {
  const { at } = o
  const anchors = o.anchors.amd
  const authorities = amdAuthoritiesPath(item.path)
  if (item.path === authorities) return await checkCertificates({ chain: parsePem(textOf(item.body)), anchors, at })
  const found = o.items.find(({ path }) => path === authorities)
  if (found === undefined) throw new Error(`no ${authorities} beside it`)
  const chain = parsePem(textOf(found.body))
  if (item.path.endsWith('/crl')) return await checkCrl({ crl: item.body, issuerChain: chain.slice(1), anchors, at })
  return await checkCertificates({ chain: [item.body, ...chain], anchors, at })
}

async function verifyIntel(item: BundledItem, o: Context): Promise<Check> {
  const { at } = o
  const anchors = o.anchors.intel
  const { tcbInfo, qeIdentity, pckCrl } = collateralChainHeaders
  if (item.path === collateralPaths.tdxRootRevocationList)
    return await checkCrl({ crl: item.body, issuerChain: [rootOf(o, anchors)], anchors, at })
  if (item.path.startsWith('/sgx/'))
    return await checkCrl({ crl: item.body, issuerChain: parsePem(chainOf(item, pckCrl)), anchors, at })
  const isTcbInfo = item.path.startsWith('/tdx/certification/v4/tcb')
  const rootCrl = o.items.find(({ path }) => path === collateralPaths.tdxRootRevocationList)
  return await checkCollateral({
    member: isTcbInfo ? 'tcbInfo' : 'enclaveIdentity',
    text: textOf(item.body),
    issuerChainPem: chainOf(item, isTcbInfo ? tcbInfo : qeIdentity),
    ...(rootCrl !== undefined && { rootCrl: rootCrl.body }),
    anchors,
    at,
  })
}

/** The root's certificate is no separate item: it is only at the end of the others' chains. */
function rootOf(o: Context, anchors: readonly TrustAnchor[]): Uint8Array {
  for (const { headers } of o.items) {
    const pem = Object.values(headers)[0]
    const root = pem === undefined ? undefined : parsePem(decodeURIComponent(pem)).at(-1)
    if (root !== undefined) return root
  }
  throw new Error(`no chain beside it that ends at ${anchors.map(({ name }) => name).join(' or ')}`)
}
