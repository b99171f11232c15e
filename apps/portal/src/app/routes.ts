import type { ComponentType } from 'preact'
import { match, type Parameters } from '../ui/router.ts'

/** A page, loaded when it is first shown. */
export interface Page {
  title: string
  /** Whether it works without a signed-in principal. */
  open?: boolean
  /** Key of a loaded component, and its properties. */
  pattern: string
  load: () => Promise<ComponentType<Record<string, string>>>
}

/** `load` returns a component whose properties are the names in the pattern. */
function page<Pattern extends string>(
  pattern: Pattern,
  title: string,
  load: () => Promise<ComponentType<Parameters<Pattern>>>,
  o: { open?: boolean } = {},
): Page {
  return { pattern, title, load: load as unknown as Page['load'], ...o }
}

/** In matching order. */
const pages: readonly Page[] = [
  page('/', 'Machines', async () => (await import('../machines/machines-page.tsx')).MachinesPage),
  page('/machines/new', 'Make a machine', async () => (await import('../make/make-page.tsx')).MakePage),
  page('/machines/:group/:name', 'Machine', async () => (await import('../machines/machine-page.tsx')).MachinePage),
  page('/sizes', 'Sizes', async () => (await import('../sizes/sizes-page.tsx')).SizesPage),
  page('/costs', 'Costs and quotas', async () => (await import('../costs/costs-page.tsx')).CostsPage),
  page('/access', 'Access', async () => (await import('../access/access-page.tsx')).AccessPage),
  page('/machines/:group/:name/trust', 'Trust', async () => (await import('../trust/trust-page.tsx')).TrustPage),
  page('/keys', 'Keys', async () => (await import('../keys/keys-page.tsx')).KeysPage),
  page('/keys/:vault', 'Vault', async () => (await import('../keys/vault-page.tsx')).VaultPage),
  page('/keys/:vault/:key', 'Key', async () => (await import('../keys/key-page.tsx')).KeyPage),
  page(
    '/attestation',
    'Attestation',
    async () => (await import('../attestation/attestation-page.tsx')).AttestationPage,
  ),
  page(
    '/attestation/:host',
    'Attestation provider',
    async () => (await import('../attestation/provider-page.tsx')).ProviderPage,
  ),
  page('/trust', 'Trust', async () => (await import('../trust/trust-list-page.tsx')).TrustListPage),
  page('/inspector', 'Inspector', async () => (await import('../inspector/inspector-page.tsx')).InspectorPage, {
    open: true,
  }),
]

export function findPage(path: string): { page: Page; parameters: Record<string, string> } | undefined {
  for (const each of pages) {
    const parameters = match(each.pattern, path)
    if (parameters !== undefined) return { page: each, parameters: parameters as Record<string, string> }
  }
  return undefined
}

/** Entries of the navigation. */
export const places: readonly { address: string; name: string }[] = [
  { address: '/', name: 'Machines' },
  { address: '/sizes', name: 'Sizes' },
  { address: '/costs', name: 'Costs and quotas' },
  { address: '/access', name: 'Access' },
  { address: '/keys', name: 'Keys' },
  { address: '/attestation', name: 'Attestation' },
  { address: '/trust', name: 'Trust' },
  { address: '/inspector', name: 'Inspector' },
]
