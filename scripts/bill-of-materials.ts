import type { ThirdParty } from './third-party.ts'

const purl = (name: string, version: string): string => `pkg:npm/${name.replace('@', '%40')}@${version}`

/**
 * What a package is made of, in CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/): every third-party package that
 * its bundles contain parts of, and the Node that runs the server. It has no time or serial number, so that a second
 * build gives the same bytes.
 */
export function billOfMaterials(o: {
  version: string
  parts: readonly ThirdParty[]
  /** Version of the pinned Node. */
  node: string | undefined
}): string {
  const component = (type: string, name: string, version: string, license: string): object => ({
    type,
    'bom-ref': purl(name, version),
    name,
    version,
    purl: purl(name, version),
    licenses: [{ expression: license }],
  })
  const bill = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: component('application', 'strongroom', o.version, 'Apache-2.0') },
    components: [
      ...o.parts.map(({ name, version, license }) => component('library', name, version, license)),
      ...(o.node === undefined ? [] : [component('platform', 'node', o.node, 'MIT')]),
    ],
  }
  return `${JSON.stringify(bill, null, 2)}\n`
}
