import { expect, it } from 'vitest'
import { interceptFaults } from './intercept.ts'

const disabled = interceptFaults({
  take: (kind) => (kind === 'key-disabled' ? { id: '1', kind, once: false } : undefined),
})
const statusOf = (path: string): number | undefined =>
  disabled({ host: 'kv1.vault.strongroom.internal', method: 'POST', path } as Parameters<typeof disabled>[0])?.status

it.each([
  ['/keys/k/0123456789abcdef0123456789abcdef/release', 403],
  ['/keys/k/release', 403],
  ['/keys/k//release', 403],
  ['/keys/k//wrapKey', 403],
  ['/keys/k/sign', 403],
  ['/keys/k', undefined],
  ['/keys/release', undefined],
  ['/keys/k/versions', undefined],
  ['/secrets/k/release', undefined],
])('a disabled key answers POST %s with %s', (path, status) => {
  expect(statusOf(path)).toBe(status)
})
