import type { ErrorCatalogue } from '@strongroom/contract/errors'

type Section = keyof ErrorCatalogue

/** Whose sources use a section's codes. */
const makers: Record<Section, readonly string[]> = {
  server: [
    'packages/platform/src/',
    'packages/contract/src/shape/',
    'services/identity/src/',
    'services/control-plane/src/arm/',
  ],
  start: ['packages/platform/src/', 'apps/strongroomd/src/'],
  testApi: ['apps/strongroomd/src/'],
  arm: ['services/control-plane/src/'],
  templates: ['services/control-plane/src/'],
  compute: ['services/control-plane/src/'],
  network: ['services/control-plane/src/'],
  keyVaults: ['services/control-plane/src/'],
  vault: ['services/vault/src/', 'packages/evidence/src/expect/predict/judge-firmware.ts'],
  managedHsm: ['services/vault/src/'],
  attestation: ['services/attestation/src/', 'packages/policy/src/'],
  evidence: ['packages/evidence/src/', 'services/attestation/src/', 'packages/silicon/src/'],
  identity: ['services/identity/src/'],
  signIn: ['services/identity/src/'],
  fleet: [
    'services/control-plane/src/',
    'services/host/src/agent/',
    'services/host/src/home/',
    'services/host/src/disks/stored/attachable.ts',
  ],
  // If compute is simulated, the control plane is the host.
  host: ['services/host/src/', 'services/paravisor/src/', 'services/control-plane/src/host/'],
  disks: [
    'services/host/src/',
    'services/control-plane/src/host/',
    'services/control-plane/src/providers/machine/image-routes.ts',
  ],
  metadata: ['services/host/src/', 'services/paravisor/src/guest/boot-report.ts'],
  cli: ['apps/cli/src/', 'apps/portal/src/', 'packages/transparency/src/'],
}

export interface Source {
  /** From the root of the repository. */
  file: string
  text: string
}

export type CodesBySection = Partial<Record<Section, readonly string[]>>

const madeBy = (section: Section, file: string): boolean => makers[section].some((folder) => file.startsWith(folder))

/** Codes that no source of their section's users contains, as `section code`. */
export function unusedCodes(catalogue: CodesBySection, sources: readonly Source[]): string[] {
  return (Object.keys(catalogue) as Section[]).flatMap((section) => {
    const texts = sources.filter(({ file }) => madeBy(section, file)).map(({ text }) => text)
    return (catalogue[section] ?? [])
      .filter((code) => !texts.some((text) => text.includes(`'${code}'`)))
      .map((code) => `${section} ${code}`)
  })
}

/** Services that answer with codes of their own sections, and with those of every service. */
const services = /^(?:services\/[^/]+|apps\/(?:strongroomd|cli|portal)|packages\/(?:platform|transparency))\/src\//

/** What follows `code:` or `reason:`, also across a condition. */
const written = /\b(?:code|reason):\s*(?:[^,'\n]*\?\s*'([A-Z]\w+)'\s*:\s*)?'([A-Z]\w+)'/g

/** Codes that a service uses and none of its sections has, as `file code`. */
export function unlistedCodes(catalogue: CodesBySection, sources: readonly Source[]): string[] {
  return sources.flatMap(({ file, text }) => {
    if (!services.test(file)) return []
    const sections = (Object.keys(catalogue) as Section[]).filter(
      (section) => section === 'server' || madeBy(section, file),
    )
    const listed = new Set(sections.flatMap((section) => catalogue[section] ?? []))
    const codes = [...text.matchAll(written)]
      .flatMap(([, first, second]) => [first, second])
      .filter((code) => code !== undefined)
    return codes.filter((code) => !listed.has(code)).map((code) => `${file} ${code}`)
  })
}
