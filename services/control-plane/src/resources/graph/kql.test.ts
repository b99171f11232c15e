import { ServiceError } from '@strongroom/platform'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { queryFuel, runQuery } from './evaluate.ts'
import { parseQuery } from './kql.ts'
import type { Row } from './values.ts'

const rows: Row[] = [
  {
    name: 'one',
    type: 'microsoft.compute/virtualmachines',
    location: 'westeurope',
    tags: { team: 'a' },
    properties: { hardwareProfile: { vmSize: 'Standard_DC2as_v5' }, cores: 2 },
  },
  {
    name: 'two',
    type: 'microsoft.compute/virtualmachines',
    location: 'northeurope',
    tags: {},
    properties: { hardwareProfile: { vmSize: 'Standard_DC4as_v5' }, cores: 4 },
  },
  {
    name: 'disk',
    type: 'microsoft.compute/disks',
    location: 'westeurope',
    tags: { team: 'b' },
    properties: { cores: null, list: [1, { a: 'x' }] },
  },
]
const run = async (query: string): Promise<Row[]> =>
  await runQuery(parseQuery(query), structuredClone(rows), queryFuel(rows.length))
const names = async (query: string): Promise<unknown[]> => (await run(query)).map(({ name }) => name)
const refused = async (query: string): Promise<boolean> => {
  try {
    await run(query)
    return false
  } catch (error) {
    expect(error).toBeInstanceOf(ServiceError)
    expect((error as ServiceError).code).toBe('InvalidQuery')
    return true
  }
}

describe('a query of the resource graph', () => {
  it.each<[string, unknown[]]>([
    ['Resources', ['one', 'two', 'disk']],
    ["Resources | where type =~ 'Microsoft.Compute/virtualMachines'", ['one', 'two']],
    ["where type == 'microsoft.compute/disks'", ['disk']],
    ["resources | where tags.team == 'a' or tags['team'] == 'b' | order by name asc", ['disk', 'one']],
    ["Resources | where properties.hardwareProfile.vmSize contains 'dc4'", ['two']],
    [
      "Resources | where properties.hardwareprofile.VMSIZE startswith 'standard_dc' and not(location == 'westeurope')",
      ['two'],
    ],
    ["Resources | where name in ('one', 'TWO')", ['one']],
    ["Resources | where name in~ ('one', 'TWO')", ['one', 'two']],
    ["Resources | where name !in ('one') and name !contains 'is'", ['two']],
    ['Resources | where isempty(tags.team)', ['two']],
    ['Resources | where properties.cores >= 2 | sort by properties.cores desc | take 1', ['two']],
    ["Resources | where type has 'disks' // the end", ['disk']],
    ["Resources | where properties.list[1].a == 'x'", ['disk']],
    ['Resources | where name == "one" and tolower(name) == \'one\'', ['one']],
    [String.raw`Resources | where name != 'it\'s' | limit 2`, ['one', 'two']],
  ])('%s', async (query, found) => expect(await names(query)).toEqual(found))

  it('is of the columns that it projects', async () => {
    expect(
      await run(
        "Resources | where name == 'one' | project name, size = tostring(properties.hardwareProfile.vmSize), tags.team",
      ),
    ).toEqual([{ name: 'one', size: 'Standard_DC2as_v5', tags_team: 'a' }])
  })

  it('counts, as a whole and by group', async () => {
    expect(await run('Resources | count')).toEqual([{ Count: 3 }])
    expect(await run('Resources | summarize count() by type | order by count_ desc')).toEqual([
      { type: 'microsoft.compute/virtualmachines', count_: 2 },
      { type: 'microsoft.compute/disks', count_: 1 },
    ])
    expect(await run("Resources | where name == 'nobody' | summarize n = count()")).toEqual([{ n: 0 }])
    expect(await run('Resources | summarize by location')).toEqual([
      { location: 'westeurope' },
      { location: 'northeurope' },
    ])
  })

  it.each([
    "Resources | where name = 'one'",
    'Resources | where nothing == 1',
    'Resources | mv-expand properties',
    'Resources | join kind=inner (Resources) on name',
    "Resources | where name matches regex 'a'",
    'Resources | where f(name)',
    'Resources | summarize percentile(name)',
    'Resources | summarize sum(properties.cores)',
    'Resources | summarize count(name) by type',
    'Resources | extend a = name',
    'Resources | distinct type',
    'Resources | project-away properties',
    'Resources | where strcat(name, name) == name',
    'Resources | top 1 by name',
    'Resources | take',
    "Resources | where name == 'open",
    `Resources | where ${'('.repeat(100)}true${')'.repeat(100)}`,
    `Resources | where name == '${'x'.repeat(20_000)}'`,
    'Resources |',
  ])('is refused, not misread, where it is not understood: %.80s', async (query) =>
    expect(await refused(query)).toBe(true),
  )

  it('never fails in another way, whatever the text', async () => {
    const part = fc.oneof(
      fc.constantFrom(
        'Resources',
        '|',
        'where',
        'project',
        'summarize',
        'count()',
        'by',
        'name',
        '==',
        "'a'",
        '(',
        ')',
        ',',
        '.',
        '[',
        ']',
        'not',
        'in',
        '!',
        '-',
        'and',
        '1',
      ),
      fc.string({ maxLength: 5 }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 20 }), async (parts) => void (await refused(parts.join(' ')))),
      { numRuns: 2_000 },
    )
  })
})
