import { ServiceError } from '@strongroom/platform'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { runQuery, type Row } from './evaluate.ts'
import { parseQuery } from './kql.ts'

const rows: Row[] = [
  { name: 'one', type: 'microsoft.compute/virtualmachines', location: 'westeurope', tags: { team: 'a' }, properties: { hardwareProfile: { vmSize: 'Standard_DC2as_v5' }, cores: 2 } }, // prettier-ignore
  { name: 'two', type: 'microsoft.compute/virtualmachines', location: 'northeurope', tags: {}, properties: { hardwareProfile: { vmSize: 'Standard_DC4as_v5' }, cores: 4 } }, // prettier-ignore
  { name: 'disk', type: 'microsoft.compute/disks', location: 'westeurope', tags: { team: 'b' }, properties: { cores: null, list: [1, { a: 'x' }] } }, // prettier-ignore
]
const run = (query: string): Row[] => runQuery(parseQuery(query), rows)
const names = (query: string): unknown[] => run(query).map(({ name }) => name)
const refused = (query: string): boolean => {
  try {
    run(query)
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
    ["Resources | where properties.hardwareprofile.VMSIZE startswith 'standard_dc' and not(location == 'westeurope')", ['two']], // prettier-ignore
    ["Resources | where name in ('one', 'TWO')", ['one']],
    ["Resources | where name in~ ('one', 'TWO')", ['one', 'two']],
    ["Resources | where name !in ('one') and name !contains 'is'", ['two']],
    ['Resources | where isempty(tags.team)', ['two']],
    ['Resources | where toint(properties.cores) >= 2 | sort by toint(properties.cores) desc | take 1', ['two']],
    ["Resources | where type has 'disks' // the end", ['disk']],
    ["Resources | where properties.list[1].a == 'x'", ['disk']],
    ['Resources | where name == "one" | extend loud = toupper(name) | where loud == \'ONE\'', ['one']],
    [String.raw`Resources | where name != 'it\'s' | limit 2`, ['one', 'two']],
  ])('%s', (query, found) => expect(names(query)).toEqual(found))

  it('is of the columns that it projects', () => {
    expect(run("Resources | where name == 'one' | project name, size = tostring(properties.hardwareProfile.vmSize), tags.team")).toEqual([{ name: 'one', size: 'Standard_DC2as_v5', tags_team: 'a' }]) // prettier-ignore
    expect(Object.keys(run('Resources | project-away properties, tags | take 1')[0]!)).toEqual(['name', 'type', 'location']) // prettier-ignore
    expect(run('Resources | distinct location')).toEqual([{ location: 'westeurope' }, { location: 'northeurope' }])
  })

  it('counts and sums', () => {
    expect(run('Resources | count')).toEqual([{ Count: 3 }])
    expect(run('Resources | summarize count() by type | order by count_ desc')).toEqual([
      { type: 'microsoft.compute/virtualmachines', count_: 2 },
      { type: 'microsoft.compute/disks', count_: 1 },
    ])
    expect(run("Resources | where name == 'nobody' | summarize n = count(), cores = sum(toint(properties.cores))")).toEqual([{ n: 0, cores: 0 }]) // prettier-ignore
    expect(run('Resources | summarize dcount(location), most = max(toint(properties.cores))')).toEqual([{ dcount_location: 2, most: 4 }]) // prettier-ignore
  })

  it.each([
    "Resources | where name = 'one'",
    'Resources | where nothing == 1',
    'Resources | mv-expand properties',
    'Resources | join kind=inner (Resources) on name',
    "Resources | where name matches regex 'a'",
    'Resources | where f(name)',
    'Resources | summarize percentile(name)',
    'Resources | take',
    "Resources | where name == 'open",
    `Resources | where ${'('.repeat(100)}true${')'.repeat(100)}`,
    `Resources | where name == '${'x'.repeat(20_000)}'`,
    'Resources |',
  ])('is refused, not misread, where it is not understood: %.80s', (query) => expect(refused(query)).toBe(true))

  it('never fails in another way, whatever the text', () => {
    const part = fc.oneof(
      fc.constantFrom('Resources', '|', 'where', 'project', 'summarize', 'count()', 'by', 'name', '==', "'a'", '(', ')', ',', '.', '[', ']', 'not', 'in', '!', '-', 'and', '1'), // prettier-ignore
      fc.string({ maxLength: 5 }),
    )
    fc.assert(fc.property(fc.array(part, { maxLength: 20 }), (parts) => void refused(parts.join(' '))), { numRuns: 2_000 }) // prettier-ignore
  })
})
