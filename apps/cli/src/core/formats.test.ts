import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CliError } from './cli-error.ts'
import { render, type Result } from './output.ts'
import { queried } from './query.ts'
import { yamlOf } from './yaml.ts'

const vms: Result = {
  data: [
    { name: 'one', id: '/a', properties: { state: 'Succeeded', cores: 2 }, tags: {} },
    { name: 'two', id: '/b', properties: { state: 'Failed', cores: 4 }, tags: { on: 'no' } },
  ],
  table: { columns: ['Name'], rows: [['one'], ['two\twith a tab']] },
}

describe('a result', () => {
  it('is YAML that other programs read as the same data, whatever it holds', () => {
    const odd = [
      'no',
      '1e3',
      '- a',
      'a: b',
      ' x',
      'x ',
      '#',
      "'",
      '"',
      '\n',
      '\u2028',
      '~',
      '',
      '0x1f',
      '12:30',
      '=',
      '<<',
    ]
    const values: unknown[] = [vms.data, odd, Object.fromEntries(odd.map((text) => [text, text]))]
    // Python's emitter folds numbers and keys in its own way if they are not texts: texts are what is at risk.
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.constantFrom(...odd),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(fc.string(), tie('value'), { maxKeys: 3 }),
      ),
    })).value
    values.push(...fc.sample(json, 300).filter((value) => !JSON.stringify(value).includes('__proto__')))
    const read = execFileSync(
      '/usr/bin/python3',
      ['-c', 'import json,sys,yaml\nprint(json.dumps([yaml.safe_load(each) for each in json.load(sys.stdin)]))'],
      { input: JSON.stringify(values.map(yamlOf)), maxBuffer: 2 ** 26 },
    )
    expect(JSON.parse(read.toString())).toEqual(values)
  })

  it('is tab-separated: its rows, or what a query takes of it, one cell each', () => {
    expect(render(vms, 'tsv')).toBe('one\ntwo with a tab')
    expect(render(queried(vms, '[].[name, properties.cores]'), 'tsv')).toBe('one\t2\ntwo\t4')
    expect(render(queried(vms, "[?name=='two'].id"), 'tsv')).toBe('/b')
    expect(render(queried(vms, 'length(@)'), 'tsv')).toBe('2')
  })

  it('is coloured JSON on a terminal alone, and the same JSON without its colours', () => {
    const coloured = render(vms, 'jsonc', { color: true })
    expect(coloured).toContain('\u001b[34m"name"\u001b[0m')
    // oxlint-disable-next-line no-control-regex -- the colours
    expect(coloured.replaceAll(/\u001b\[\d+m/g, '')).toBe(render(vms, 'json'))
    expect(render(vms, 'jsonc')).toBe(render(vms, 'json'))
  })

  it('is nothing with none', () => expect(render(vms, 'none')).toBe(''))

  it('is a table of what a query takes of it', () => {
    const named = queried(vms, '[].{name: name, state: properties.state}')
    expect(render(named, 'table')).toBe('name  state\n----  ---------\none   Succeeded\ntwo   Failed')
    expect(render(queried(vms, '[0].properties.state'), 'table')).toBe('Result\n---------\nSucceeded')
    expect(render(queried(vms, 'nothing'), 'table')).toBe('')
    expect(render(queried(vms, 'nothing'), 'json')).toBe('null')
  })

  it('is not asked with what is not a query', () => {
    for (const wrong of ['[', 'name ==', '&', 'f(@)']) expect(() => queried(vms, wrong), wrong).toThrow(CliError)
  })
})
