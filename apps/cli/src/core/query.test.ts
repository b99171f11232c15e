import { describe, expect, it } from 'vitest'
import { queried, queryNotice } from './query.ts'

const vms = {
  data: [
    { name: 'first', location: 'westeurope', properties: { vmId: 'a' } },
    { name: 'second', location: 'westeurope', properties: { vmId: 'b' } },
  ],
  table: { columns: ['Name', 'Size'], rows: [] },
}
const notice = (expression: string, of: { data: unknown } = vms): string | undefined =>
  queryNotice(of, queried(of, expression), expression)
const members = 'It reads what -o json prints, whose members are: name, location, properties'

describe('a query that selects nothing', () => {
  it.each(['[].Name', '[].size', "[?name=='third']", 'name'])(
    'is reported with the members that there are: %s',
    (expression) => {
      expect(notice(expression)).toBe(`--query ${expression} selects nothing. ${members}`)
    },
  )

  it('is reported for the columns that are empty in every row', () => {
    expect(notice('[].{Name: name, Size: size}')).toBe(
      `--query [].{Name: name, Size: size} selects nothing for Size. ${members}`,
    )
  })

  it.each(['[].name', '[].{n: name}', 'length(@)', '[0].properties.vmId'])('and no other: %s', (expression) => {
    expect(notice(expression)).toBeUndefined()
  })

  it('is none where there is nothing to select from', () => {
    expect(notice('[].Name', { data: [] })).toBeUndefined()
  })
})
