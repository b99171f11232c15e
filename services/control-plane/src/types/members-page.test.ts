import { join } from 'node:path'
import { expect, it } from 'vitest'
import { resourceTypes } from '../resource-types.ts'
import { Only, type Member, type Members } from './members.ts'

type Kind = Exclude<Member, Members>

const leaves = (members: Members, path = ''): [string, Kind][] =>
  Object.entries(members).flatMap(([name, member]: [string, Member]): [string, Kind][] => {
    const at = path === '' ? name : `${path}.${name}`
    return typeof member === 'string' || member instanceof Only ? [[at, member]] : leaves(member, at)
  })

it('the page of members is made of the descriptions', async () => {
  const sections = resourceTypes.all.flatMap(({ spelling, members, patched }) => {
    if (members === undefined) return []
    const of = leaves(members)
    const line = (kind: string, what: string): string[] => {
      const named = of.flatMap(([at, member]) => (member === kind ? [`\`${at}\``] : []))
      return named.length === 0 ? [] : [`- ${what}: ${named.join(', ')}`]
    }
    const defaults = of.flatMap(([at, member]) =>
      member instanceof Only ? [`\`${at}\` (${member.values.map((value) => `\`${value}\``).join(', ')})`] : [],
    )
    return [
      `## ${spelling}`,
      '',
      ...line('honoured', 'Honoured, or refused by their value'),
      ...line('fixed', 'Honoured at creation'),
      ...line('kept', 'Kept without effect'),
      ...(defaults.length === 0 ? [] : [`- Accepted at Azure’s default: ${defaults.join(', ')}`]),
      ...(patched === undefined
        ? []
        : [`- Changed by a PATCH: what is in ${patched.map((name) => `\`${name}\``).join(', ')}`]),
      '',
    ]
  })
  const page = [
    '# Members of requests',
    '',
    'Every member of a request that writes a resource, and what becomes of it; made of the descriptions in',
    '`services/control-plane` by their test. Each member of a PUT or PATCH is honoured, kept',
    'without effect, or refused: with `NotSupported` and its name, whether Azure knows it or not; with',
    '`PropertyChangeNotAllowed` if the resource exists and the member is fixed. A member that is not listed is refused, and',
    'so is one below it. Always accepted: null; an empty list or object, if the resource shows nothing there; what a GET of',
    'the resource shows, with the same value, so clients may send back what they read; and `id`, `name`, `type`, `etag`,',
    '`systemData` and `provisioningState`, which Azure ignores too.',
    '',
    'No traffic passes the resources of `Microsoft.Network`, so most of their members are kept without effect: clients send',
    'them with every virtual machine.',
    '',
    ...sections,
  ]
  await expect(page.join('\n')).toMatchFileSnapshot(join(import.meta.dirname, '../../../../docs/reference/members.md'))
})
