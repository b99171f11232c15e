import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { covers, ScopeSet } from './scope-set.ts'

const part = fc.constantFrom('a', 'b', 'resourcegroups', 'providers')
const inSubscription = fc.array(part, { maxLength: 5 }).map((parts) => ['/subscriptions/s', ...parts].join('/'))
const scope = fc.oneof(
  inSubscription,
  fc.constantFrom('/', '/subscriptions/t', '/providers/microsoft.management/managementgroups/m', '/providers/other'),
)

describe('a set of scopes', () => {
  it('covers what one of its scopes covers', () => {
    fc.assert(
      fc.property(fc.array(scope, { maxLength: 3 }), inSubscription, (scopes, key) => {
        expect(new ScopeSet(scopes).covers(key)).toBe(scopes.some((each) => covers(each, key)))
      }),
    )
  })
})
