import { ServiceError } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import { portalConditions } from '../../../testing/portal-conditions.ts'
import { holds } from './evaluate.ts'
import type { AssignmentAttributes, Attributes } from './condition.ts'
import { parseCondition } from './parse.ts'
import { matchesWildcards } from './wildcards.ts'

const write = 'Microsoft.Authorization/roleAssignments/write'
const remove = 'Microsoft.Authorization/roleAssignments/delete'
const reader = 'acdd72a7-3385-48ef-bd42-f606fba81ae7'
const owner = '8e3af657-a8ff-443c-a75c-2fe8c4bcb635'
const alice = '0f2a9f3e-0000-4000-8000-0000000a11ce'
const role = '@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId]'
const type = '@Request[Microsoft.Authorization/roleAssignments:PrincipalType]'

const given: AssignmentAttributes = { roleDefinitionId: reader, principalId: alice, principalType: 'User' }
const of = (text: string, asked: Attributes = { request: given, resource: {} }, action = write): unknown =>
  holds(parseCondition(text), { action, ...asked })
const refusal = (text: string): ServiceError => {
  try {
    parseCondition(text)
  } catch (error) {
    if (error instanceof ServiceError) return error
    throw error
  }
  throw new Error('it was not refused')
}

describe('a condition', () => {
  it.each(Object.entries(portalConditions({ roles: [reader], principals: [alice] })))(
    'that the portal writes for %s is evaluated for what is written and what is deleted',
    (_, text) => {
      const allowed = [
        of(text),
        of(text, { request: {}, resource: given }, remove),
        of(text, {}, 'Microsoft.Compute/virtualMachines/read'),
      ]
      expect(allowed).toEqual([true, true, true])
      const refused = { ...given, roleDefinitionId: owner }
      expect([
        of(text, { request: refused, resource: {} }),
        of(text, { request: {}, resource: refused }, remove),
      ]).toEqual([false, false])
    },
  )

  it.each<[string, unknown]>([
    [`${role} GuidEquals ${reader}`, true],
    [`${role} guidequals '${reader.toUpperCase()}'`, true],
    [`${role} GuidNotEquals ${reader}`, false],
    [`${role} ForAnyOfAnyValues:GuidEquals {${owner}, ${reader}}`, true],
    [`${role} ForAllOfAnyValues:GuidEquals {${owner}, ${reader}}`, true],
    [`${role} ForAnyOfAllValues:GuidEquals {${owner}, ${reader}}`, false],
    [`${role} ForAllOfAllValues:GuidEquals {${owner}, ${reader}}`, false],
    [`${role} ForAnyOfAnyValues:GuidNotEquals {${owner}, ${reader}}`, true],
    [`${role} ForAnyOfAllValues:GuidNotEquals {${owner}, ${reader}}`, false],
    [`${type} StringEquals 'User'`, true],
    [`${type} StringEquals 'user'`, false],
    [`${type} StringNotEquals 'user'`, true],
    [`${type} StringEqualsIgnoreCase 'user'`, true],
    [`${type} StringNotEqualsIgnoreCase 'user'`, false],
    [`${type} StringLike 'U*r'`, true],
    [`${type} StringLike 'Us?'`, false],
    [`${type} StringNotLike 'Us??'`, false],
    [`Exists ${type}`, true],
    [`NOT Exists ${type}`, false],
    ["ActionMatches{'microsoft.authorization/*/WRITE'}", true],
    ["!(ActionMatches{'Microsoft.Authorization/roleAssignments'})", true],
    // AND binds more than OR, NOT more than both.
    [`${type} StringEquals 'User' OR ${type} StringEquals 'User' && ${type} StringEquals 'Group'`, true],
    [`NOT ${type} StringEquals 'Group' and ${type} StringEquals 'User'`, true],
    [`!${type} StringEquals 'User' || ${type} StringEquals 'Group'`, false],
  ])('%s is %s', (text, expected) => {
    expect(of(text)).toBe(expected)
  })

  it.each([
    `${role} GuidEquals ${reader}`,
    `${role} GuidNotEquals ${owner}`,
    `!(${role} GuidEquals ${owner})`,
    `NOT (NOT (${role} ForAnyOfAllValues:GuidNotEquals {${owner}}))`,
    `${role} GuidEquals ${reader} OR !(${role} GuidEquals ${reader})`,
    `${type} StringNotLike 'x' AND ActionMatches{'*'}`,
    `NOT Exists ${role}`,
    `Exists ${role}`,
  ])('grants nothing by what is not known: %s', (text) => {
    expect(of(text, {})).toBeUndefined()
  })

  it('is decided where what is not known does not matter', () => {
    expect([of(`ActionMatches{'*'} OR ${role} GuidEquals ${owner}`, {})]).toEqual([true])
    expect([of(`ActionMatches{'x'} AND ${role} GuidEquals ${owner}`, {})]).toEqual([false])
  })

  it('that excludes roles does not admit one that only its name admits', () => {
    const request = { ...given, onlyByName: true }
    const by = (text: string): unknown => of(text, { request, resource: {} })
    expect([
      by(`${role} ForAnyOfAllValues:GuidNotEquals {${owner}}`),
      by(`!(${role} ForAnyOfAnyValues:GuidEquals {${owner}})`),
      by(`${role} ForAnyOfAnyValues:GuidEquals {${owner}, ${reader}}`),
      by(`${role} ForAnyOfAllValues:GuidNotEquals {${owner}, ${reader}}`),
    ]).toEqual([undefined, undefined, true, false])
  })
})

describe('a condition is refused, with what is not evaluated,', () => {
  const storage = '@Resource[Microsoft.Storage/storageAccounts:name]'
  const security = '@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:a_b]'
  const scope = '@Request[Microsoft.Authorization/roleAssignments:Scope]'
  it.each<[string, string]>([
    ["SubOperationMatches{'Blob.List'}", 'SubOperationMatches'],
    [`ActionMatches{'a/read'} AND NOT SubOperationMatches{'Blob.List'}`, 'SubOperationMatches'],
    ["@Resource[Microsoft.Storage/storageAccounts:name] StringEquals 'a'", storage],
    ["@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:a_b] StringEquals 'a'", security],
    [`@Environment[UtcNow] DateTimeGreaterThan '2026-01-01'`, '@Environment[UtcNow]'],
    [`${scope} StringEquals '/'`, scope],
    [`Exists @Principal[a:b]`, '@Principal[a:b]'],
    [`${type} StringStartsWith 'U'`, 'StringStartsWith'],
    [`${type} ForAnyOfAnyValues:StringLikeIgnoreCase {'u'}`, 'ForAnyOfAnyValues:StringLikeIgnoreCase'],
    [`${type} ForEach:StringEquals {'u'}`, 'ForEach:StringEquals'],
    [`${role} NumericEquals 1`, 'NumericEquals'],
    // In another case it would never be equal.
    [`${role} StringNotEquals '${owner}'`, 'StringNotEquals'],
    [`${type} GuidEquals ${owner}`, 'GuidEquals'],
    [`${role} GuidEquals @Request[a:b]`, '@Request[a:b]'],
    [String.raw`${type} StringEquals 'a\'`, String.raw`'a\'`],
  ])('%s', (text, name) => {
    expect(refusal(text)).toMatchObject({ status: 400, code: 'NotSupported', target: 'properties.condition' })
    expect([refusal(text).found, refusal(text).message.includes(name)]).toEqual([name, true])
  })
})

describe('a condition is malformed, and the answer says where,', () => {
  const malformed = (text: string): unknown => {
    const { code, status, expected, message } = refusal(text)
    return [status, code, expected, Number(/at character (\d+)/.exec(message)?.[1])]
  }
  const bad = (expected: string, at: number): unknown => [400, 'InvalidRoleAssignmentCondition', expected, at]

  it.each<[string, string, number]>([
    ['', 'an expression', 1],
    ['   ', 'an expression', 4],
    ['(', 'an expression', 2],
    ["(ActionMatches{'a'}", 'AND, OR or )', 20],
    ["ActionMatches{'a'})", 'AND, OR or the end', 19],
    ["ActionMatches{'a'} ActionMatches{'a'}", 'AND, OR or the end', 20],
    ['ActionMatches{a}', 'an action in quotes', 15],
    ["ActionMatches{'a', 'b'}", '}', 18],
    ['true', '{ after true', 5],
    ["ActionMatches{'a", 'an expression', 15],
    [`${role}`, 'an operator', role.length + 1],
    [`${role} GuidEquals reader`, 'a GUID', role.length + 13],
    [`${role} GuidEquals {${reader}}`, 'a GUID', role.length + 13],
    [`${role} ForAnyOfAnyValues:GuidEquals ${reader}`, '{', role.length + 31],
    [`${role} ForAnyOfAnyValues:GuidEquals {}`, 'a GUID', role.length + 32],
    [`${role} ForAnyOfAnyValues:GuidEquals {${reader} ${reader}}`, ', or }', role.length + 69],
    [`${type} StringEquals User`, 'a text in quotes', type.length + 15],
    ['Exists', 'an attribute', 7],
    ["ActionMatches{'a'} // all", 'an expression', 20],
    ["ActionMatches{'a'} & ActionMatches{'a'}", 'an expression', 20],
  ])('%s', (text, expected, at) => {
    expect(malformed(text)).toEqual(bad(expected, at))
  })

  it('beyond its bounds', () => {
    const nested = (depth: number): string => `${'('.repeat(depth)}ActionMatches{'a'}${')'.repeat(depth)}`
    expect(of(nested(32), {}, 'a')).toBe(true)
    expect(malformed(nested(33))).toEqual(bad('at most 32 levels', 34))
    expect(malformed(`${'!'.repeat(33)}ActionMatches{'a'}`)).toEqual(bad('at most 32 levels', 34))
    const long = `ActionMatches{'${'a'.repeat(8_192 - 17)}'}`
    expect(long).toHaveLength(8_192)
    expect(of(long)).toBe(false)
    expect(malformed(`${long} `)).toEqual(bad('the end after at most 8192 characters', 8_193))
  })
})

describe('a pattern', () => {
  it('with many stars takes no longer than in proportion to its length', () => {
    const start = performance.now()
    expect(matchesWildcards(`${'*a'.repeat(4_000)}z`, 'a'.repeat(300))).toBe(false)
    expect(performance.now() - start).toBeLessThan(500)
  })

  it.each([
    ['*', '', true],
    ['a*', 'a', true],
    ['a*c', 'abbcbc', true],
    ['a*c', 'abcb', false],
    ['ab*bc', 'abc', false],
    ['?', 'a', false],
    ['', 'a', false],
  ])('%s matches "%s": %s', (pattern, text, expected) => {
    expect(matchesWildcards(pattern, text)).toBe(expected)
  })
})
