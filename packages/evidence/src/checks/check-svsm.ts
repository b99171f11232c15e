import type { SnpReport } from '../snp/report.ts'
import { parseSvsmManifest, requireManifestBinding, type SvsmManifest } from '../svsm/manifest.ts'
import type { Check } from './check.ts'
import { Checklist } from './checklist.ts'

/**
 * Checks the manifest of an SVSM's services. It is only as trustworthy as the report that binds it, which is verified
 * separately.
 * @param o.nonce the verifier's challenge; without it the binding cannot be computed
 * @example
 * import { ByteWriter, parseGuid, utf8 } from '@strongroom/evidence'
 * import { checkSvsm, svsmManifestGuid } from '@strongroom/evidence/files'
 *
 * const service = utf8('a vTPM key')
 * const entry = new ByteWriter().bytes(parseGuid('c476f1eb-0123-45a5-9641-b4e7dde5bfe3')).u32le(48).u32le(service.length)
 * const manifest = new ByteWriter().bytes(svsmManifestGuid).u32le(48 + service.length).u32le(1).bytes(entry.finish()).bytes(service)
 * const check = await checkSvsm({ manifest: manifest.finish(), reports: [] })
 * check.children.map(({ id, outcome }) => `${id}: ${outcome}`) // => ['svsm.format: passed', 'svsm.binding: skipped']
 */
export async function checkSvsm(o: {
  manifest: Uint8Array
  nonce?: Uint8Array | undefined
  reports: readonly SnpReport[]
}): Promise<Check> {
  const list = new Checklist()
  const manifest = await list.run(
    'svsm.format',
    [],
    () => parseSvsmManifest(o.manifest),
    ({ services }) => services.map(({ guid }) => guid).join(', '),
  )
  if (o.nonce === undefined)
    list.skip('svsm.binding', 'The challenge (--nonce) was not given: the report binds it with the manifest')
  else if (o.reports.length === 0) list.skip('svsm.binding', 'The SVSM’s report was not given')
  else {
    await list.run('svsm.binding', [manifest, o.nonce], (found: SvsmManifest, nonce: Uint8Array) =>
      requireManifestBinding(found, nonce, o.reports),
    )
  }
  return list.all('svsm')
}
